# protects: the house: which room may know what, and who may call whom

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use Sources qw(sources);

chdir "$FindBin::Bin/.." or die "chdir: $!";

my %path = map { m{([^/]+)$} => $_ } sources('*.[ch]');
my @files = sort keys %path;

is(scalar(@files), scalar(sources('*.[ch]')), 'each file has a name of its own');

my (%text, %code);

for my $file (@files) {
    open my $f, '<', $path{$file} or die "$file: $!";
    local $/;
    $text{$file} = <$f>;

    # comments and strings name what they like; one pass, so that neither
    # hides the other

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


# rooms that know nothing of nginx

for my $file (grep { /^referral_/ } @files) {
    my @foreign = grep { /^ngx_|^nginx|hiredis/ } includes($file);

    is("@foreign", '', "$file includes nothing of nginx or Redis");

    my @names = $code{$file} =~ /\b((?:ngx|NGX)_\w+)/g;

    is("@names", '', "$file uses no name of nginx");

    my @calls = $code{$file} =~ /\b(assert|abort|exit|_exit|system|popen)
                                 \s*\(/gx;

    is("@calls", '', "$file never ends the worker");
}


# each library has one room that knows it

my @homes = (
    [ qr{^hiredis},    qr{^ngx_http_referral_redis\.[ch]$} ],
    [ qr{^maxminddb},  qr{^referral_geo\.c$} ],
    [ qr{^openssl},    qr{^referral_(?:address|batch_command|cookie|id)\.c$} ],
);

for my $home (@homes) {
    my ($library, $room) = @$home;

    my @others = grep {
        my $file = $_;
        $file !~ $room && grep { $_ =~ $library } includes($file)
    } @files;

    is("@others", '', "only its room includes $library");
}


# each room has its own header; a large room has several files, each of which
# begins with the room's name

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


# The rooms that know nginx, from the top down: each may use what stands
# below it, and nobody beside it.  Constants and types come from the header
# that they share.

my @floors = (
    [qw(module)],
    [qw(conf)],
    [qw(secrets)],
    [qw(turn)],
    [qw(click resolve variables metrics)],
    [qw(answer lookup salts)],
    [qw(request)],
    [qw(links recorder geo)],
    [qw(tracking)],
    [qw(redis zone)],
);

# a large room has more than one file

my %part_of = (drain => 'recorder', journals => 'recorder',
               conf_main => 'conf', conf_check => 'conf',
               conf_cookie => 'conf');

sub room {
    my ($room) = $_[0] =~ /^ngx_http_referral_(\w+)\.c$/;

    return $part_of{$room} // $room;
}

my %floor;

for my $i (0 .. $#floors) {
    $floor{$_} = $i for @{ $floors[$i] };
}

# the zone is the module's, its counters are everybody's

my %shared = map { $_ => 1 } qw(ngx_http_referral_zone);

my %defined;

for my $file (grep { /^ngx_http_referral_\w+\.c$/ } @files) {
    my $room = room($file);

    ok(exists $floor{$room}, "$file is a room of the house");

    my $code = $code{$file};

    while ($code =~ /^((?:static\s)?[^\n;{}()#]*)\n(ngx_http_referral\w*)\(
                     [^;{}]*\)\s*\n\{/gmx)
    {
        my ($type, $name) = ($1, $2);

        $defined{$name} = $room unless $type =~ /\bstatic\b/;
    }
}

for my $file (grep { /^ngx_http_referral_\w+\.c$/ } @files) {
    my $room = room($file);
    my %used = map { $_ => 1 } $code{$file} =~ /\b(ngx_http_referral\w*)\b/g;

    my @wrong = map { "$_ of $defined{$_}" }
                grep { $defined{$_} && $defined{$_} ne $room
                       && !$shared{$_}
                       && ($floor{$defined{$_}} // -1)
                          <= ($floor{$room} // -1) }
                sort keys %used;

    is("@wrong", '', "$file calls only who it may");
}


# nginx's random() begins with the time and the pid: good for delays only

for my $file (@files) {
    my @seeds = $code{$file} =~ /(.*\bngx_random\(\)\s*<<.*)/g;

    is("@seeds", '', "$file: no seed can be guessed");
}


# the style that a machine can see

for my $file (@files) {
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

done_testing;
