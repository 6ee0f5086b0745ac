# protects: clicks that Redis has are kept for retain=; where max= is too small
# for that they make way for new ones, and log and metrics tell of it

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;


for my $max ('64m', '640k') {
    my $t = Referral->new;
    my $c = Referral::Clicks->new($t, shop => '/r/', club => '/s/');
    my %parts = $c->parts(workers => 1,
                          journal => "segment=128k max=$max retain=1h");

    $parts{server} .= 'location = /metrics { referral_metrics; }';
    $t->expect_log(qr/clicks that Redis has are deleted from the journal in/)
        if $max eq '640k';

    $c->links;
    $t->config(%parts);
    $t->start;
    $c->start(rate => 3000, count => 12_000);
    $c->exact("12,000 clicks, max=$max");

    my $early = sub { $t->metrics->{referral_journal_early_total} };

    if ($max eq '640k') {
        ok(wait_for { $early->() }, 'what is sent makes way, and is counted')
            or diag($early->());

        is(() = $t->log =~ /before their time/g, 1,
           'the log says it once');

    } else {
        is($early->(), 0, 'all is kept');
    }

    $t->finish;
}

done_testing;
