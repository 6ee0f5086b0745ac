package Sources;

# The files of src/, found by their name wherever they lie.
#
#   use Sources qw(source sources includes);
#
#   source('referral_str.c')     its path, from the top of the checkout
#   sources('referral_*.c')      the paths of those with such a name
#   includes()                   -I for each folder
#   modules()                    the names of nginx's modules, the core first

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(basename dirname);

our @EXPORT_OK = qw(source sources includes layers modules);

our $TOP = dirname(dirname(dirname(abs_path(__FILE__))));


sub lines {
    my (@arguments) = @_;

    open my $pipe, '-|', "$TOP/auto/sources", @arguments
        or die "auto/sources: $!";

    chomp(my @lines = <$pipe>);
    close $pipe or die "auto/sources @arguments failed\n";

    s{^\Q$TOP\E/}{} for @lines;

    return @lines;
}


sub sources { return lines(@_) }


sub source {
    my ($name) = @_;

    my @found = lines($name);

    die "src/ has no $name\n" if !@found;
    die "src/ has several $name\n" if @found > 1;

    return $found[0];
}


sub includes { return map { "-I$_" } lines('--folders') }


sub modules { return lines('--modules') }


# folder => the folders that its files may include, in the order of the file

sub layers {
    open my $f, '<', "$TOP/src/layers" or die "src/layers: $!";

    my @layers;

    while (my $line = <$f>) {
        next if $line =~ /^\s*(?:#|$)/;

        my ($folder, @below) = split ' ', $line;

        push @layers, [ $folder, @below ];
    }

    return @layers;
}

1;
