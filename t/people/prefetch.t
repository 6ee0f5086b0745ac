# protects: browsers that prefetch a link and machines do not count as clicks
# of people

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new(server => <<'END');
        referral_landing https://shop.example.com/;
        referral_landing_args "click_id={click_id}";

        location /r/ {
            referral shop;
        }

        # what is not a short link knows nothing of all this
        location /page {
            return 200 "page $referral_class";
        }
END

$t->link('shop', 'x', referrer => 'aiko');

my %want = (raw => 0);

my $hit = sub {
    my ($class, $what, @o) = @_;

    my $r = $t->get('/r/x', @o);

    $want{raw}++;
    $want{$class eq 'human' ? 'clicks' : $class}++;

    if ($class eq 'prefetch') {
        is($r->status, 503, "$what: 503, so that the click comes again");
        is($r->location, undef, "$what: no redirect to keep");
        is($r->header('Cache-Control'), 'no-store', "$what: not kept");

    } else {
        is($r->status, 302, "$what: redirected");
    }

    if ($class ne 'human') {
        is($r->set_cookie, undef, "$what: no cookie");
        unlike($r->location // '', qr/click_id=[0-9a-f]/,
               "$what: no click id");

    } else {
        ok($r->set_cookie, "$what: a cookie");
    }
};

my $chrome = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 '
    . '(KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';

$hit->('human', 'a browser', ua => $chrome);
$hit->('prefetch', 'Sec-Purpose', headers => [ 'Sec-Purpose' => 'prefetch' ]);
$hit->('prefetch', 'prerender',
       headers => [ 'Sec-Purpose' => 'prefetch;prerender' ]);
$hit->('prefetch', 'Purpose', headers => [ Purpose => 'prefetch' ]);
$hit->('prefetch', 'X-Moz', headers => [ 'X-Moz' => 'prefetch' ]);
$hit->('prefetch', 'a preview pane', headers => [ 'X-Purpose' => 'preview' ]);
$hit->('prefetch', 'a machine that looks ahead', ua => 'Googlebot/2.1',
       headers => [ 'Sec-Purpose' => 'prefetch' ]);
$hit->('human', 'another purpose', headers => [ 'Sec-Purpose' => 'reading' ]);

$hit->('bot', 'a crawler',
       ua => 'Mozilla/5.0 (compatible; Googlebot/2.1; '
           . '+http://www.google.com/bot.html)');
$hit->('bot', 'curl', ua => 'curl/8.0');
$hit->('bot', 'no User-Agent', headers => [ 'User-Agent' => undef ]);
$hit->('preview', 'an unfurler',
       ua => 'facebookexternalhit/1.1 '
           . '(+http://www.facebook.com/externalhit_uatext.php)');
$hit->('preview', 'another', ua => 'WhatsApp/2.23.20.0 A');
$hit->('preview', 'a third',
       ua => 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)');

# inside of apps there are people

$hit->('human', 'LINE',
       ua => 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) '
           . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 '
           . 'Safari Line/13.20.0');
$hit->('human', 'Instagram',
       ua => 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) '
           . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 '
           . 'Instagram 300.0.0.0.0');

my $r = $t->head('/r/x');

is($r->status, 302, 'HEAD');
$want{raw}++;
$want{head}++;

$r = $t->get('/r/x', ua => $chrome);
$t->get('/r/x', ua => $chrome, cookie => $r->cookie);
$want{raw} += 2;
$want{clicks}++;
$want{duplicate}++;

$t->stats_are('shop', { %want, visitors => $want{clicks},
                        'app:line' => 1, 'app:instagram' => 1,
                        missed => 0 },
              'each hit is counted as one thing');

$t->fields_are('ref:stats:{shop}:x', \%want, 'of the link too');

my $stats = $t->hgetall('ref:stats:{shop}');

is($stats->{raw}, $want{clicks} + $want{duplicate} + $want{bot}
                  + $want{preview} + $want{prefetch} + $want{head},
   'and the sum holds');

my @types = sort map { $_->{class} } $t->entries('ref:events:{shop}');

is(scalar(@types), $want{raw}, 'an event for each');

# an unknown code is nobody's

is($t->get('/r/nobody', headers => [ 'Sec-Purpose' => 'prefetch' ])->location,
   undef, 'looking ahead at nothing');

is($t->get('/page', headers => [ 'Sec-Purpose' => 'prefetch' ])->body,
   'page prefetch', 'elsewhere only a variable tells');
is($t->get('/page', ua => 'curl/8.0')->body, 'page bot', 'of machines too');
is($t->get('/page')->body, 'page human', 'and of people');

done_testing;
