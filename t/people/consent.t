# protects: visitors without consent are redirected, counted and credited,
# but not recognised again; staff are not counted as people

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->link('shop', 'x', referrer => 'aiko', name => 'A');

$t->config(
    http => <<'END',
        map $cookie_banner $may {
            default "";
            yes     granted;
            no      denied;
            1       1;
            0       0;
            odd     perhaps;
        }
END
    server => <<'END',
        referral_landing https://shop.example.com/;
        referral_landing_args "ref={code}&click_id={click_id}";

        location /r/ {
            referral shop;
            referral_consent $may;
        }

        location /gpc/ {
            referral shop;
            referral_gpc on;
        }

        location /nogpc/ {
            referral shop;
            referral_gpc off;
        }

        location /staff/ {
            referral shop;
            referral_exclude $arg_staff;
        }

        location /page {
            referral_program shop;
            referral_consent $arg_c;
            return 200 "$referral_visitor|$referral_code|$referral_click_id";
        }

        location /open {
            referral_program shop;
            return 200 "$referral_visitor|$referral_code|$referral_click_id";
        }

        location /nogpc-page {
            referral_program shop;
            referral_gpc off;
            return 200 "$referral_visitor|$referral_code|$referral_click_id";
        }

        location /names {
            referral_program shop;
            referral_resolve on;
            referral_consent $arg_c;
            ssi on;
            default_type text/html;
            root html;
        }

        location /sent-on {
            referral_program shop;
            referral_resolve on;
            error_page 404 /names/page.html?c=no;
        }

        location /circle {
            referral_program shop;
            referral_consent $referral_code;
            return 200 "$referral_visitor|$referral_code|$referral_click_id";
        }
END
);

$t->start;

my ($clicks, $refused) = (0, 0);

my $denied = sub {
    my ($r, $what) = @_;

    is($r->status, 302, "$what: redirected");
    is($r->set_cookie, undef, "$what: no cookie");
    is($r->arg('ref'), 'x', "$what: the referrer is not cheated");
    like($r->arg('click_id'), qr/^[0-9a-f-]{36}$/,
         "$what: the landing knows the click");

    $clicks++;
    $refused++;
};

my $granted = sub {
    my ($r, $what) = @_;

    is($r->status, 302, "$what: redirected");
    ok($r->set_cookie, "$what: a cookie");
    $clicks++;
};

$granted->($t->get('/r/x', cookie => 'banner=yes'), 'granted');
$granted->($t->get('/r/x', cookie => 'banner=1'), '1');
$denied->($t->get('/r/x', cookie => 'banner=no'), 'denied');
$denied->($t->get('/r/x', cookie => 'banner=0'), '0');
$denied->($t->get('/r/x'), 'not asked yet');
$denied->($t->get('/r/x', cookie => 'banner=odd'), 'an odd answer');

my $gpc = [ 'Sec-GPC' => 1 ];

$denied->($t->get('/gpc/x', headers => $gpc), 'Sec-GPC');
$granted->($t->get('/gpc/x', headers => [ 'Sec-GPC' => 0 ]), 'Sec-GPC: 0');
$granted->($t->get('/gpc/x'), 'no Sec-GPC');
$denied->($t->get('/staff/x', headers => $gpc), 'Sec-GPC by default');
$denied->($t->get('/r/x', cookie => 'banner=yes', headers => $gpc),
          'Sec-GPC, whatever was said');
$granted->($t->get('/nogpc/x', headers => $gpc),
           'Sec-GPC where it is not heeded');

# a cookie from before is not looked at once consent is gone

my $cookie = $t->get('/r/x', cookie => 'banner=yes')->cookie;
$clicks++;

$denied->($t->get('/r/x', cookie => "banner=no; $cookie"),
          'consent withdrawn');

$t->stats_are('shop', { clicks => $clicks, raw => $clicks,
                        no_consent => $refused,
                        visitors => $clicks - $refused },
              'counted, but not as visitors');

my @events = grep { $_->{type} eq 'click' } $t->entries('ref:events:{shop}');

is(scalar(@events), $clicks, 'an event each');
is(scalar(grep { ($_->{visitor} // '') =~ /^-?$/ } @events), $refused,
   'those without consent name no visitor');

my ($key) = @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') };
my %touches = map { %{ $t->hgetall($_) } }
              @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') };

is(scalar(keys %touches), $clicks, 'each click id can be looked up');
is(scalar(grep { (split ' ', $_)[1] eq '-' } values %touches), $refused,
   'those without consent with no visitor');

my $r = $t->get('/staff/x?staff=1');

is($r->status, 302, 'staff are redirected');
is($r->set_cookie, undef, 'without a cookie');

$t->get('/staff/x?staff=0');
$t->get('/staff/x');
$clicks += 2;

$t->stats_are('shop', { excluded => 1, clicks => $clicks,
                        raw => $clicks + 1 },
              'and counted aside');

# on pages too: without consent the cookie is not read, by nobody

$cookie = $t->get('/r/x', cookie => 'banner=yes')->cookie;

mkdir $t->dir . '/html';
mkdir $t->dir . '/html/names';
$t->write_file('html/names/page.html',
          '<!--# echo var="referral_code" -->|'
          . '<!--# echo var="referral_referrer" -->|'
          . '<!--# echo var="referral_name" -->');

my $known = qr{^[\w-]{16}\|x\|[0-9a-f-]{36}$};

for my $may ('1', 'granted', 'GRANTED') {
    like($t->get("/page?c=$may", cookie => $cookie)->body, $known,
         "a page, consent \"$may\"");
}

for my $may ('', '0', 'denied', 'no', '11', 'granted+') {
    is($t->get("/page?c=$may", cookie => $cookie)->body, '||',
       "a page, consent \"$may\"");
}

is($t->get('/page?c=1', cookie => $cookie, headers => $gpc)->body, '||',
   'a page, consent and Sec-GPC');
is($t->get('/open', cookie => $cookie, headers => $gpc)->body, '||',
   'a page, Sec-GPC');
like($t->get('/open', cookie => $cookie)->body, $known, 'a page without');
like($t->get('/nogpc-page', cookie => $cookie, headers => $gpc)->body, $known,
     'a page where Sec-GPC is not heeded');
is($t->get('/names/page.html?c=1', cookie => $cookie)->body, 'x|aiko|A',
   'the link of a page\'s visitor');
is($t->get('/names/page.html?c=0', cookie => $cookie)->body, '||',
   'without consent it is not looked up');
is($t->get('/sent-on', cookie => $cookie)->body, '||',
   'where a page is another\'s error page, that one\'s consent counts');
is($t->get('/circle', cookie => $cookie)->body, '||',
   'a consent that asks the cookie is none');

done_testing;
