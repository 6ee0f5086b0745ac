# protects: the layers of src/: which file may include and call which, which one
# knows a library, the names of keys, and the style that a machine can see

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(layers modules sources);

chdir "$FindBin::Bin/../.." or die "chdir: $!";

my %path = map { m{([^/]+)$} => $_ } sources('*.[ch]');
my @files = sort keys %path;

is(scalar(@files), scalar(sources('*.[ch]')), 'each file has a name of its own');

my (%text, %code);

read_file($_, $path{$_}) for @files;

sub read_file {
    my ($file, $path) = @_;

    open my $f, '<', $path or die "$path: $!";
    local $/;
    $text{$file} = <$f>;

    # without comments and strings; in one pass, because each may contain what
    # looks like the other

    my $code = $text{$file};

    $code =~ s{
        (/\*.*?\*/) | ("(?:[^"\\\n]|\\.)*") | ('(?:[^'\\\n]|\\.)*')
    }{
        my $s = $1 // '';
        $s =~ tr/\n//cd;
        defined $1 ? $s : defined $2 ? '""' : "''"
    }gsex;

    $code{$file} = $code;
}

sub includes { $text{$_[0]} =~ /^\s*#\s*include\s*[<"]([^>"]+)[>"]/mg }


# files that do not know nginx

for my $file (grep { /^referral_/ } @files) {
    my @foreign = grep { /^ngx_|^nginx|hiredis/ } includes($file);

    is("@foreign", '', "$file includes nothing of nginx or Redis");

    my @names = $code{$file} =~ /\b((?:ngx|NGX)_\w+)/g;

    is("@names", '', "$file uses no name of nginx");

    my @calls = $code{$file} =~ /\b(assert|abort|exit|_exit|system|popen)
                                 \s*\(/gx;

    is("@calls", '', "$file never ends the worker");
}


# what decides on conversions and rewards: a replay on another machine, at
# another time, has to come to the same numbers

my @decides = grep { $path{$_} =~ m{^src/(?:program|rewards|ledger)/} } @files;

cmp_ok(scalar(@decides), '>', 40, 'there are files that decide');

for my $file (@decides) {
    my @float = $code{$file} =~ /\b(float|double|[0-9]+\.[0-9]+|[0-9]+e-?[0-9]+)\b/g;

    is("@float", '', "$file has no floating point");

    my @outside = grep { m{^(?:stdio|time|unistd|fcntl|math|locale|errno|sys/.*)\.h$} }
                  includes($file);

    is("@outside", '', "$file includes nothing of clocks and files");

    my @calls = $code{$file} =~
        /(?<![\w.>])(time|clock|clock_gettime|gettimeofday|localtime|gmtime
                    |localtime_r|gmtime_r|mktime|rand|random|getenv|fopen|open
                    |read|write|printf|fprintf|puts|setlocale|sleep)\s*\(/gx;

    is("@calls", '', "$file asks no clock, no chance and no file");
}


# only one file includes each library

my @homes = (
    [ qr{^hiredis},    qr{^(?:ngx_http_referral|settle)_redis\.[ch]$} ],
    [ qr{^maxminddb},  qr{^referral_geo\.c$} ],
    [ qr{^openssl},    qr{^referral_(?:address|chain|command|cookie|digest|id)\.c$} ],
    [ qr{^jansson},    qr{^referral_intake_json\.c$} ],
);

for my $home (@homes) {
    my ($library, $place) = @$home;

    my @others = grep {
        my $file = $_;
        $file !~ $place && grep { $_ =~ $library } includes($file)
    } @files;

    is("@others", '', "only its file includes $library");
}


# one file spells the keys of Redis; a limit of the pure files is defined once

my @families = $text{'referral_keys.c'} =~ /referral_string\("(\w+:)"\)/g;
my $families = join '|', map { "\Q$_\E" } 'ref:', 'programs"', @families;

cmp_ok(scalar(@families), '>', 10, 'referral_keys.c names families of keys');

for my $file (grep { !/^referral_keys\.[ch]$/ } @files) {
    my @strings = grep { /^"(?:\{?%\w+)?(?:$families)/ }
                  ($text{$file} =~ s{/\*.*?\*/}{}gsr) =~ /("(?:[^"\\\n]|\\.)*")/g;

    is("@strings", '', "$file leaves the names of keys to referral_keys.c");
}

my %defined;

for my $file (grep { /^referral_/ } @files) {
    $defined{$_}{$file} = 1 for $code{$file} =~ /^#define\s+(REFERRAL_\w+)/mg;
}

is(join(' ', grep { keys %{ $defined{$_} } > 1 } sort keys %defined), '',
   'no macro is defined in two files');


# each file has a header of its name; of several files with one header, each
# begins with the header's name

for my $file (grep { /^referral_.*\.c$/ } @files) {
    (my $stem = $file) =~ s/\.c$//;

    my @headers = grep {
        /^(.*?)(?:_core)?\.h$/ && $stem =~ /^\Q$1\E(?:_|$)/
    } includes($file);

    ok(scalar(@headers), "$file includes its own header");
}

for my $file (grep { /\.h$/ } @files) {
    (my $guard = '_' . uc $file . '_INCLUDED_') =~ tr/.a-z/_A-Z/;

    like($text{$file}, qr/^#ifndef \Q$guard\E\n#define \Q$guard\E\n/m,
         "$file is guarded by its own name");
}


# Folders are layers, as src/layers lists them: a file includes and calls files
# of its own folder and of those that its folder's line names.

my %below = map { my ($folder, @below) = @$_; $folder => { map { $_ => 1 } @below } }
                layers();

my %folder = map { $_ => $path{$_} =~ m{^src/(?:(.*)/)?[^/]+$} ? $1 // '' : '' }
                 @files;

for my $file (@files) {
    ok($below{$folder{$file}}, "$file lies in a folder of src/layers");
}

for my $folder (sort keys %below) {
    my @order = map { $_->[0] } layers();
    my ($place) = grep { $order[$_] eq $folder } 0 .. $#order;
    my @above = grep { my $name = $_;
                       !grep { $_ eq $name } @order[0 .. $place - 1] }
                sort keys %{ $below{$folder} };

    is("@above", '', "$folder includes nothing that stands above it");
}

sub may {
    my ($file, $other) = @_;

    return 1 if $folder{$file} eq $folder{$other};
    return $below{$folder{$file}}{$folder{$other}};
}

# the functions that a file defines for others

my %home;

for my $file (grep { /\.c$/ } @files) {
    while ($code{$file} =~ /^((?:static\s)?[^\n;{}()#]*)\n
                            ((?:(?:ngx_http_)?referral|settle)\w*)\([^;{}]*\)\s*\n\{/gmx)
    {
        my ($type, $name) = ($1, $2);

        $home{$name} = $file unless $type =~ /\bstatic\b/;
    }
}

my %uses;

for my $file (@files) {
    my @wrong = grep { $path{$_} && !may($file, $_) } includes($file);

    is("@wrong", '', "$file includes what lies below it");

    my %names = map { $_ => 1 } $code{$file} =~ /\b((?:(?:ngx_http_)?referral|settle)\w*)\b/g;
    my %others;

    for my $name (grep { $home{$_} && $home{$_} ne $file } keys %names) {
        push @{ $others{$home{$name}} }, $name if $file =~ /\.c$/;
    }

    $uses{$file} = \%others;

    @wrong = map { my $other = $_; map { "$_ of $other" } @{ $others{$other} } }
             grep { !may($file, $_) } sort keys %others;

    is("@wrong", '', "$file calls what lies below it");
}

# Calls within a folder are not circular either, file by file.

for my $folder (sort keys %below) {
    my %to;

    for my $file (grep { $folder{$_} eq $folder } @files) {
        for my $other (keys %{ $uses{$file} }) {
            $to{$file}{$other} = 1
                if $folder{$other} eq $folder;
        }
    }

    my ($way, %state) = ('');
    my $walk;

    $walk = sub {
        my ($at, @from) = @_;

        return if ($state{$at} // 0) == 2 || $way;

        if ($state{$at}) {
            $way = join ' -> ', @from, $at;
            return;
        }

        $state{$at} = 1;
        $walk->($_, @from, $at) for sort keys %{ $to{$at} // {} };
        $state{$at} = 2;
    };

    $walk->($_) for sort keys %to;

    is($way, '', "src/$folder: calls run one way");
}


# Features, which are what nginx calls a module: each has a file
# ngx_http_referral_NAME_module.c, its other files begin with NAME too, and it
# can go without a trace in any other: none includes, calls or names another,
# and what lies below them knows none.

my ($core, @features) = modules();

is($core, 'ngx_http_referral_module', 'the core is the first module');

s/^ngx_http_referral_(\w+)_module$/$1/ or die $_ for @features;

sub feature {
    my ($file) = @_;

    my ($name) = sort { length $b <=> length $a }
                 grep { $file =~ /^ngx_http_referral_\Q$_\E[_.]/ } @features;

    return $folder{$file} eq 'http/modules' ? $name // '' : undef;
}

for my $name (@features) {
    my $file = "ngx_http_referral_${name}_module.c";

    is($folder{$file}, 'http/modules', "$file lies among the features");
    like($code{$file}, qr/^ngx_module_t  ngx_http_referral_\Q$name\E_module = /m,
         "$file is what nginx calls a module");
}

for my $file (grep { /^ngx_/ } @files) {
    my $own = feature($file);

    isnt($own, '', "$file is of one of the features") if defined $own;

    my %others = map { $_ => 1 } grep { $_ ne ($own // '') } @features;
    my @wrong = grep { $path{$_} && $others{feature($_) // ''} }
                     includes($file), sort keys %{ $uses{$file} };

    push @wrong, grep { $code{$file} =~ /\bngx_http_referral_${_}_module\b/ }
                      sort keys %others;

    is("@wrong", '', "$file knows no other feature");
}


# the example for newcomers

my %example = map { m{([^/]+)$} => $_ } glob 't/house/example/*.[ch]';

ok(scalar(%example), 'there is an example of a feature');

read_file($_, $example{$_}) for sort keys %example;


# CONTRIBUTING.md is about this tree: the files, folders and names that it
# mentions are there, and so are the code and the comment that it quotes

my @tree = map { chomp; s{^\./}{}r }
           `find . \\( -name .git -o -path ./build \\) -prune -o -print`;

my %there = map { $_ => 1 } @tree, map { m{([^/]+)$} } @tree;
my @roots = ('', 'src/', 't/', 'scripts/nginx_referral/');

my $guide = do {
    open my $f, '<', 'CONTRIBUTING.md' or die "CONTRIBUTING.md: $!";
    local $/;
    <$f>;
};

my %mentioned = map { $_ => 1 } grep { !/NAME/ }
                $guide =~ m{(?<![\w./\$-])(\w[\w./-]*(?:\[ch\])?)}g;

for my $path (grep { !m{^(?:_|build/)} } sort keys %mentioned) {
    my ($first) = $path =~ m{^([^/]+)/};

    next unless $path =~ m{\.(?:c|h|\[ch\]|t|lua|py|pm|md|ini|list|example)$}
                || $guide =~ m{`\Q$path\E`} && $path =~ m{/$}
                || $first && grep { $there{"$_$first"} } @roots;

    $path =~ s{[/.]+$}{};

    for my $file ($path =~ s/\[ch\]$// ? ("${path}c", "${path}h") : $path) {
        ok((grep { $there{"$_$file"} } @roots),
           "CONTRIBUTING.md: there is $file");
    }
}

my $all = join "\n", values %text;

my %names = map { $_ => 1 } grep { !/NAME/ }
            $guide =~ /\b((?:ngx_http_)?referral_\w+\b(?!\.\w)
                          |(?:NGX_HTTP_)?REFERRAL_\w+\b(?!=))/gx;

for my $name (sort keys %names) {
    ok($there{$name} || $all =~ /\b\Q$name\E\b/,
       "CONTRIBUTING.md: there is $name");
}

for my $code ($guide =~ /^```c\n(.*?)^```$/msg) {
    ok(index($all, $code) >= 0, 'CONTRIBUTING.md quotes code that is there');
}

my ($quoted) = $guide =~ m{`/\* (\w.*?) \*/`}s;
(my $comments = $all) =~ s{\n\s*\*(?!/)}{}g;

s/\s+/ /g for $quoted, $comments;

ok(index($comments, $quoted) >= 0,
   'CONTRIBUTING.md quotes a comment that is there');


# the style that a machine can see, in the example for newcomers too

for my $file (@files, sort keys %example) {
    my @lines = split /\n/, $text{$file}, -1;

    my @long = grep { length $lines[$_ - 1] > 80 } 1 .. @lines;
    my @tabs = grep { $lines[$_ - 1] =~ /\t/ } 1 .. @lines;
    my @space = grep { $lines[$_ - 1] =~ /\s$/ } 1 .. @lines;
    my @slash = grep { (split /\n/, $code{$file}, -1)[$_ - 1] =~ m{//} }
                1 .. @lines;

    is("@long", '', "$file: no line is longer than 80");
    is("@tabs", '', "$file: no tabs");
    is("@space", '', "$file: no space at a line's end");
    is("@slash", '', "$file: no // comments");
}


# a test is run by its name, and t/longest has paths

my (%place, @twice);

for my $test (glob 't/*/*.t') {
    my ($name) = $test =~ m{([^/]+)\.t$};

    push @twice, $name if $place{$name}++;
}

is("@twice", '', 'each test has a name of its own');

open my $longest, '<', 't/longest' or die "t/longest: $!";
my @gone = grep { !-f } map { /^\d+ (\S+)/ } <$longest>;

is("@gone", '', 't/longest names tests that are there');

done_testing;
