# protects: the attribution cookie: both touches and its attributes; a
# forged, foreign or old cookie is treated as absent; a code that an outage
# left unchecked is nobody's first touch

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
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

        location /host-auto/ {
            referral shop;
            referral_cookie __Host-ref;
        }

        location /secure-auto/ {
            referral shop;
            referral_cookie __SECURE-ref domain=example.com;
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

    $c = $t->get('/host-auto/one')->set_cookie('__Host-ref');
    is_deeply([ @$c{qw(path secure domain)} ], [ '/', 1, undef ],
              'is secure behind a balancer too');

    $c = $t->get('/secure-auto/one')->set_cookie('__SECURE-ref');
    is($c->{secure}, 1, 'as is a __Secure- one, in capitals');

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


# --- clicks of the time without Redis ---

sub away {
    my ($sub) = @_;

    $t->redis('SAVE');
    $t->redis_stop;
    wait_for {
        $t->get('/metrics')->body
            =~ /^referral_redis_connected\{for="lookups"\} 0$/m;
    };

    my @got = $sub->();

    $t->redis_start(qw(--dbfilename dump.rdb));
    wait_for {
        $t->get('/metrics')->body
            =~ /^referral_redis_connected\{for="lookups"\} 1$/m;
    };

    # all that was under way is counted; the page is a second old

    select undef, undef, undef, 1.2;
    wait_for { $t->get('/metrics')->body =~ /^referral_journaled 0$/m };

    return @got;
}

sub touch { (split ' ', $t->get($_[0], cookie => $_[1]->cookie)->body)[0] }

# which code Redis was told to be that of the first touch

sub recorded {
    my ($r) = @_;

    my $event;

    wait_for {
        ($event) = grep { $_->{click_id} eq $r->arg('c') }
                   $t->entries('ref:events:{shop}');
    };

    return $event->{first};
}

sub visitors { $t->redis('HGET', 'ref:stats:{shop}', 'visitors') // 0 }

$t->config(server => $server . <<'END');
        location = /metrics {
            referral_metrics;
        }
END
$t->reload;
$t->program('shop', state => 'active');
$t->get('/r/one');

subtest 'a code that somebody made up' => sub {
    my ($r) = away(sub { $t->get('/r/madeup') });
    my $before = visitors();

    is(touch('/last', $r), 'madeup', 'is in the cookie');

    my $s = $t->get('/r/two', cookie => $r->cookie);

    is(touch('/first', $s), 'two', 'but not the first touch of the next one');
    is(recorded($s), 'two', 'which says so');

    wait_for { visitors() == $before + 1 };
    is(visitors(), $before + 1, 'and is the first of its visitor');

    my $u = $t->get('/r/three', cookie => $s->cookie);

    is(touch('/first', $u), 'two', 'and stays the first');
    is(recorded($u), 'two', 'for those that follow');
};

subtest 'a link that was not in the cache' => sub {
    $t->link('shop', 'honest');

    my ($r) = away(sub { $t->get('/r/honest') });
    my $s = $t->get('/r/two', cookie => $r->cookie);

    is(touch('/first', $s), 'honest', 'is the first touch');
    is(recorded($s), 'honest', 'of the next one');
    is(recorded($r), 'honest', 'and of itself');

    my $u = $t->get('/r/three', cookie => $s->cookie);

    is(recorded($u), 'honest', 'and stays it');
};

subtest 'between two that are known' => sub {
    my $q = $t->get('/r/one');
    my ($r) = away(sub { $t->get('/r/madeup2', cookie => $q->cookie) });

    is(touch('/first', $r), 'one', 'the first touch stays');

    my $s = $t->get('/r/two', cookie => $r->cookie);

    is(touch('/first', $s), 'one', 'also after it');
    is(recorded($s), 'one', 'and is recorded');
};

subtest 'several of one outage' => sub {
    $t->get("/r/$_") for qw(one two three);
    $t->link('shop', 'honest2');

    my ($p, $q, $r) = away(sub {
        my $p = $t->get('/r/madeup3');
        my $q = $t->get('/r/two', cookie => $p->cookie);
        my $r = $t->get('/r/honest2', cookie => $t->get('/r/madeup4')->cookie);

        return ($p, $q, $r);
    });

    is(touch('/first', $q), 'two', 'a page names the one that exists');
    is(recorded($q), 'two', 'and it is recorded');

    my $s = $t->get('/r/three', cookie => $q->cookie);

    is(touch('/first', $s), 'two', 'which becomes the first');
    is(recorded($s), 'two', 'for those that follow');

    $s = $t->get('/r/three', cookie => $r->cookie);

    is(touch('/first', $s), 'honest2', 'of two unknown ones that which exists');
    is(recorded($s), 'honest2', 'for those that follow');
};

subtest 'who clicks when Redis hangs' => sub {
    my ($r) = away(sub { $t->get('/r/madeup5') });

    $t->get('/r/two');
    $t->redis_pause;

    my $s = $t->get('/r/two', cookie => $r->cookie);

    $t->redis_continue;
    cmp_ok($s->time_taken, '<', 3.5 * patience, 'waits timeout= at most');
    wait_for { $t->get('/r/three')->arg('c') };

    my $u = $t->get('/r/three', cookie => $s->cookie);

    is(touch('/first', $u), 'two', 'and what was open is settled later');
};

done_testing;
