# protects: a visitor who consents on the landing page gets the cookie of the
# click, and no other page can hand cookies out

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->config(
    server => <<'END',
        referral_program shop;
        referral_landing "https://shop.example.com/";

        location /r/ {
            referral;
            referral_consent $cookie_consent;
        }

        location /claim {
            referral_claim;
        }

        location /careful {
            referral_claim;
            referral_consent $cookie_consent;
        }

        location /whose {
            return 200 "$referral_code";
        }
END
);

$t->link('shop', $_, referrer => $_) for qw(aiko bob);
$t->start;

sub click {
    my ($code) = @_;

    my $r = $t->get("/r/$code");
    my ($id) = $r->header('Location') =~ /click_id=([0-9a-f-]+)/;

    is($r->header('Set-Cookie'), undef, "no consent, no cookie: $code");
    ok((wait_for { @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') }
                   && grep { $_ eq $id } map { @{ $t->redis('HKEYS', $_) } }
                      @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') } }),
       'the click is in Redis');

    return $id;
}

sub claim {
    my ($id, %o) = @_;

    return $t->get(($o{uri} // '/claim') . "?click_id=$id",
                   headers => [ 'Sec-Fetch-Site', $o{site} // 'same-origin' ],
                   cookie => $o{cookie});
}

my $id = click('aiko');

my $r = claim($id);
is($r->status, 204, 'the cookie of the click');
my ($cookie) = ($r->header('Set-Cookie') // '') =~ /^([^;]+)/;
ok($cookie, 'is set');
is($t->get('/whose', cookie => $cookie)->body, 'aiko', 'and is of the click');

is(claim($id, site => 'same-site')->status, 204, 'another host of the site');
is(claim($id, site => 'cross-site')->status, 403, 'another site may not');
is($t->get("/claim?click_id=$id")->status, 403, 'nor what tells nothing');
is($t->request('POST', "/claim?click_id=$id", body => '',
               headers => [ 'Origin', 'http://localhost' ])->status, 204,
   'an older browser tells its Origin');
is($t->request('POST', "/claim?click_id=$id", body => '',
               headers => [ 'Origin', 'http://evil.example' ])->status, 403,
   'of another host: no');

is(claim('nix')->status, 400, 'no click id');
is(claim('01a20563-fc9a-7f8e-b808-f20c87a6cbe8')->status, 404,
   'a click that nobody made');
is(claim($id, uri => '/careful')->status, 403, 'consent is asked for');
is(claim($id, uri => '/careful', cookie => 'consent=1')->status, 204,
   'and given');

my $second = click('bob');

$r = claim($second, cookie => $cookie);
my ($both) = ($r->header('Set-Cookie') // '') =~ /^([^;]+)/;
is($t->get('/whose', cookie => $both)->body, 'bob', 'a later click is the last');

$r = claim($id, cookie => $both);
is($r->status, 204, 'an earlier one');
is($r->header('Set-Cookie'), undef, 'changes nothing');

$t->redis_pause;
is(claim($id)->status, 503, 'Redis hangs: later');
$t->redis_continue;

$t->finish;
done_testing;
