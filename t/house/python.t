# protects: the command line's layers: which of its files may import which

use strict;
use warnings;

use FindBin;
use Test::More;

# from the top down: each may import what is below it; within one there are no
# circles

my @layers = qw(web cli relay reports store text);

# each library has one layer that knows it; the entry point tells what Redis
# fails with

my @homes = (
    [ 'click', qr{^(?:cli/|web/parameters\.py$)} ],
    [ 'redis', qr{^(?:store/|relay/outbox\.py$|cli/app\.py$)} ],
    [ 'rich',  qr{^text/} ],
    [ 'flask', qr{^web/app\.py$} ],
    [ 'werkzeug', qr{^web/app\.py$} ],
);

my $MANY = 500;

my $top = "$FindBin::Bin/../../scripts/nginx_referral";

my %layer = map { $layers[$_] => $_ } 0 .. $#layers;
my (%text, %imports);

chdir $top or die "$top: $!";

for my $file (glob '*.py */*.py */*/*.py') {
    open my $f, '<', $file or die "$file: $!";
    local $/;
    $text{$file} = <$f>;
}

# one file spells the keys of Redis; help texts and docstrings may name them

my @families = qw(ref programs program links? referrer stats days? hours board
                  visitors addresses clicks events errors journals forgotten
                  reset salt conversions ids person rejects seed known
                  claimed settled friend outbox hooks secret
                  apikeys?);
my $families = join '|', @families;

for my $file (grep { $_ ne 'store/keys.py' } sort keys %text) {
    my $code = $text{$file} =~ s/""".*?"""//gsr =~ s/^\s*#.*//gmr;
    my @keys = grep { /^"ref:|\b(?:$families):\\?\{\{?|\}(?:$families)[:"]/ }
               $code =~ /("(?:[^"\\\n]|\\.)*")/g;

    is("@keys", '', "$file leaves the names of keys to store/keys.py");
}

for my $layer (@layers) {
    ok(scalar(grep { m{^$layer/} } keys %text), "there is $layer");
}

for my $file (sort keys %text) {
    my ($layer) = $file =~ m{^(\w+)/\w+\.py$};

    like($text{$file}, qr/\A"""\S/, "$file says what it is");
    cmp_ok($text{$file} =~ tr/\n//, '<=', $MANY, "$file is short");

    if (!defined $layer) {
        is($file, '__init__.py', "$file is in no layer");
        next;
    }

    ok(exists $layer{$layer}, "$file is in a layer");

    $imports{$file} = [];

    my @wrong;

    for my $module (modules($file)) {
        my ($of, $name) = $module =~ m{^(\w+)/(\w+)$} or next;

        push @wrong, $module
            if !exists $layer{$of} || $layer{$of} < $layer{$layer}
               || !exists $text{"$module.py"};

        push @{ $imports{$file} }, "$module.py" if $of eq $layer;
    }

    is("@wrong", '', "$file imports what is there, and nothing above it");

    for my $home (@homes) {
        my ($library, $place) = @$home;

        next if $file =~ $place;

        unlike($text{$file}, qr/^\s*(?:from|import)\s+\Q$library\E\b/m,
               "$file does not know $library");
    }
}

is(circle(), '', 'no circle within a layer');

done_testing;


# what a file imports of the package, as LAYER/MODULE

sub modules {
    my ($file) = @_;

    my ($layer) = $file =~ m{^(\w+)/};
    my @found;

    while ($text{$file} =~ /^\s*from\s+(\.+)([\w.]*)\s+import\s+
                            (\([^)]*\)|[^\n]*)/gmx)
    {
        my ($dots, $module, $names) = ($1, $2, $3);
        my @path = (length $dots == 1 ? $layer : (), split /\./, $module);

        # from . import counters, visitors

        push @found, @path == 1 ? map { "$path[0]/$_" } $names =~ /\b(\w+)/g
                     : join '/', @path;
    }

    return @found;
}


# takes away what imports nothing that is left; a circle stays

sub circle {
    my %left = map { $_ => 1 } keys %imports;

    while (my @free = grep {
        !grep { $left{$_} } @{ $imports{$_} }
    } keys %left)
    {
        delete @left{@free};
    }

    return join ' ', sort keys %left;
}
