# protects: the fault tests themselves: without the code that keeps counts
# exact they fail
#
# TEST_SOAK=1: builds the module anew for each, so not otherwise

use strict;
use warnings;

use FindBin;
use File::Temp qw(tempdir);
use Test::More;

use lib "$FindBin::Bin/../lib";
use Sources qw(source);

plan skip_all => 'takes minutes: scripts/test --soak' unless $ENV{TEST_SOAK};

my $top = "$FindBin::Bin/../..";

# file, what stands there, what takes its place, and who must notice

my @mutations = (
    [ 'the batch does not compare', 'referral_click.lua',
      qr/^if found ~= expected [^\n]*then$/m, 'if false then',
      'journal/kill' ],

    [ 'the answer does not wait for the journal',
      'ngx_http_referral_recorder.c',
      qr/^    commit->seq = seq;\n.*?return NGX_AGAIN;$/ms, <<'END',
    (void) commit;

    if (!rec->flush.posted) {
        ngx_post_event(&rec->flush, &ngx_posted_next_events);
    }

    return NGX_OK;
END
      'journal/kill' ],

    [ 'a chunk is done where a smaller one ended', 'ngx_http_referral_drain.c',
      qr/\Qif (drain->to == 0 || ds->end < drain->to) {\E/,
      'if (drain->to == 0 || (ds->mark && ds->end < drain->to)) {',
      'redis/exact', 'slow' ],

    [ 'marks that went back are not noticed',
      'ngx_http_referral_retire.c',
      qr/\Q} else if ((uint64_t) found < expected) {\E/,
      '} else if (0 && (uint64_t) found < expected) {',
      'redis/exact', 'flush rdb' ],
);

my $dir = tempdir('referral-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

system('cp', '-rp', map({ "$top/$_" } qw(config auto scripts src tools)), $dir)
    == 0 or die 'cp';

for my $mutation (@mutations) {
    my ($name, $file, $what, $with, $test, $only) = @$mutation;
    my $path = "$dir/" . source($file);
    my $text = slurp("$top/" . source($file));

    (my $changed = $text) =~ s/$what/$with/
        or do { fail("$name: there is nothing to change"); next };

    spew($path, $changed);

    my $built = system("$dir/scripts/build > $dir/build.log 2>&1") == 0;

    ok($built, "$name: it builds") or diag(slurp("$dir/build.log"));

    if ($built) {
        local $ENV{TEST_NGINX_MODULE}
            = "$dir/build/ngx_http_referral_module.so";
        local $ENV{TEST_ONLY} = $only;
        delete local $ENV{TEST_SOAK};

        my $status = system("prove $top/t/$test.t > $dir/prove.log 2>&1");
        my $log = slurp("$dir/prove.log");

        ok($status != 0 && $log =~ /counted \d+, answered/,
           "$name: $test.t fails") or diag($log);
    }

    spew($path, $text);
}


sub slurp {
    my ($path) = @_;

    open my $f, '<', $path or die "$path: $!";
    local $/;

    return scalar <$f>;
}


sub spew {
    my ($path, $text) = @_;

    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f or die "$path: $!";
}

done_testing;
