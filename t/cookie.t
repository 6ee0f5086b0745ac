# protects: the attribution cookie: both touches, its attributes, and that a
# forged, foreign or old one is as if absent

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Referral;

my $server = <<'END';
        referral_landing "https://shop.example.com/";
        referral_landing_args "c={click_id}";

        location /r/ {
            referral shop;
        }

        location /other/ {
            referral other;
        }

        location /named/ {
            referral shop;
            referral_cookie friend domain=example.com path=/shop
                            max_age=3600 samesite=strict secure=on
                            httponly=off;
        }

        location /host/ {
            referral shop;
            referral_cookie __Host-ref secure=on;
        }

        location /off/ {
            referral shop;
            referral_cookie off;
        }

        location /none/ {
            referral shop;
            referral_cookie ref samesite=none secure=on;
        }

        location /last {
            referral_program shop;
            return 200 "$referral_code $referral_click_id $referral_visitor $referral_channel";
        }

        location /first {
            referral_program shop;
            referral_attribution first;
            return 200 "$referral_code $referral_click_id $referral_visitor";
        }

        location /otherprogram {
            referral_program other;
            return 200 "[$referral_code$referral_click_id$referral_visitor]";
        }

        location /noprogram {
            return 200 "[$referral_code$referral_click_id$referral_visitor]";
        }
END

my $t = Referral->new;

$t->link('shop', $_, referrer => "r$_") for qw(one two three);
$t->link('other', 'one', referrer => 'o');
$t->config(server => $server);
$t->start;


subtest 'attributes' => sub {
    my $r = $t->get('/r/one');
    my $c = $r->set_cookie('ref_shop');

    ok($c, 'named after its program');
    is($c->{path}, '/', 'for the whole site');
    is($c->{'max-age'}, 30 * 86400, 'as long as the window: 30 days');
    is($c->{samesite}, 'Lax', 'sent when somebody follows a link');
    is($c->{httponly}, 1, 'not for scripts');
    is($c->{domain}, undef, 'for this host alone');
    is($c->{secure}, undef, 'not secure without TLS');
    like($c->{value}, qr/^[A-Za-z0-9_-]+$/, 'base64url');
    cmp_ok(length $c->{value}, '<', 512, 'and short');

    $c = $t->get('/named/one')->set_cookie('friend');

    is_deeply({ %$c, value => '' },
              { name => 'friend', value => '', domain => 'example.com',
                path => '/shop', 'max-age' => 3600, samesite => 'Strict',
                secure => 1 }, 'all of them can be set');

    $c = $t->get('/host/one')->set_cookie('__Host-ref');
    is_deeply([ @$c{qw(path secure domain)} ], [ '/', 1, undef ],
              'a __Host- cookie');

    is($t->get('/off/one')->set_cookie, undef, 'off is off');
    is($t->get('/off/one')->status, 302, 'and the redirect stays');

    is($t->get('/none/one')->set_cookie->{samesite}, 'None',
       'for who embeds the link');

    $t->link('long', 'x');
    $t->program('shop', window => '90d');
    is($t->get('/r/one')->set_cookie->{'max-age'}, 90 * 86400,
       "the program's window");
    $t->program('shop', state => 'active');
};


subtest 'both touches' => sub {
    my $first = $t->get('/r/one');
    my $click = $first->arg('c');

    my ($code, $id, $visitor) =
        split ' ', $t->get('/last', cookie => $first->cookie)->body;

    is($code, 'one', 'the code');
    is($id, $click, 'the click id, that of the landing');
    like($visitor, qr/^[A-Za-z0-9_-]{16}$/, 'the visitor');

    my $second = $t->get('/r/two', cookie => $first->cookie);
    my @last = split ' ', $t->get('/last', cookie => $second->cookie)->body;
    my @first = split ' ', $t->get('/first', cookie => $second->cookie)->body;

    is_deeply(\@last, [ 'two', $second->arg('c'), $visitor ],
              'the last touch, and the visitor is the same');
    is_deeply(\@first, [ 'one', $click, $visitor ], 'the first touch');

    my $third = $t->get('/r/three', cookie => $second->cookie);

    is((split ' ', $t->get('/first', cookie => $third->cookie)->body)[1],
       $click, 'the first touch stays');
    is((split ' ', $t->get('/last', cookie => $third->cookie)->body)[0],
       'three', 'the last one does not');

    $t->program('shop', attribution => 'first');
    is((split ' ', $t->get('/last', cookie => $third->cookie)->body)[0],
       'three', 'without a look-up the configuration says which touch counts');
    $t->program('shop', state => 'active');
};


subtest 'a click twice' => sub {
    my $first = $t->get('/r/one');
    my $again = $t->get('/r/one', cookie => $first->cookie);

    is($again->location, $first->location,
       'a duplicate keeps its click id and goes where the first went');
    is($again->set_cookie, undef, 'and its cookie is not refreshed');
};


subtest 'what is as if absent' => sub {
    my $r = $t->get('/r/one');
    my $cookie = $r->cookie;
    my ($name, $value) = split /=/, $cookie, 2;

    my $absent = sub {
        my ($cookie, $what) = @_;

        my $r = $t->get('/last', cookie => $cookie);
        is($r && $r->status, 200, "$what: answered");
        is($r->body =~ s/ //gr, '', "$what: as if absent");

        $r = $t->get('/r/one', cookie => $cookie);
        is($r->status, 302, "$what: redirected");
        ok($r->set_cookie, "$what: a fresh cookie");
    };

    is($t->get('/otherprogram', cookie => $cookie)->body, '[]',
       'another program does not see it');
    is($t->get('/noprogram', cookie => $cookie)->body, '[]',
       'nor does a place that names no program');

    $absent->("ref_other=$value; ref_shop=", 'an empty one');

    # the same bytes under another program's name

    my $o = $t->get('/other/one', cookie => "ref_other=$value");
    ok($o->set_cookie, 'made for another program');

    # each byte of it counts

    my $taken = 0;

    for my $i (0 .. length($value) - 1) {
        my $forged = $value;
        my $c = substr $forged, $i, 1;

        substr $forged, $i, 1, $c eq 'A' ? 'B' : 'A';
        $taken++ if $t->get('/last', cookie => "$name=$forged")
                      ->body =~ /one/;
    }

    is($taken, 0, 'no byte of it can be changed');

    $absent->("$name=" . substr($value, 0, -1), 'one byte short');
    $absent->("$name=${value}A", 'one byte more');
    $absent->("$name=$value=", 'padded');
    $absent->("$name=\"$value\"", 'in quotes');
    $absent->("$name=" . 'A' x length $value, 'the letter A');
    $absent->("$name=" . 'x' x 8000, '8 KB');
    $absent->("$name=%00%0d%0aX: y", 'percent signs');
    $absent->("$name=\xff\xfe\x80\x01", 'bytes that are no text');
    $absent->("$name=../../etc/passwd", 'a path');

    like($t->get('/last', cookie => "a=b; $cookie; c=d")->body, qr/^one /,
         'among others it is found');
};


subtest 'keys' => sub {
    my $old = $t->read_file('key');
    my $cookie = $t->get('/r/two')->cookie;
    my $new = unpack('H*', Referral::random(32)) . "\n";

    $t->write_file('key', "# new first\n$new$old", 0600);
    $t->reload;

    like($t->get('/last', cookie => $cookie)->body, qr/^two /,
         'an old key still verifies');

    my $fresh = $t->get('/r/one')->cookie;

    $t->write_file('key', $new, 0600);
    $t->reload;

    is($t->get('/last', cookie => $cookie)->body =~ s/ //gr, '',
       'until it is gone');
    like($t->get('/last', cookie => $fresh)->body, qr/^one /,
         'the first one signs');
};


subtest 'the window' => sub {
    $t->program('shop', window => '1s');
    my $r = $t->get('/r/one');
    is($r->set_cookie->{'max-age'}, 1, 'a window of a second');

    $t->program('shop', window => '2s');
    $r = $t->get('/r/one');

    my $visitor = (split ' ', $t->get('/last', cookie => $r->cookie)->body)[2];

    select undef, undef, undef, 3;

    my $s = $t->get('/r/two', cookie => $r->cookie);

    isnt((split ' ', $t->get('/last', cookie => $s->cookie)->body)[2],
         $visitor, 'after it the visitor is somebody new');
    is((split ' ', $t->get('/first', cookie => $s->cookie)->body)[0], 'two',
       'with a new first touch');
};

done_testing;
