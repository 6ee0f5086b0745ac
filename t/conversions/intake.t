# protects: events come in by a signed POST, the shop's answer and the
# visitor's page, are kept before they are answered, and count once

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Digest::SHA qw(hmac_sha256 sha256_hex);
use JSON::PP;
use POSIX qw(strftime);
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time sleep);

my $t = Referral->new;
my $key = 'k' x 32;
my $other = 'o' x 32;

$t->write_file('shops', "shop main whsec_" . encode_base64($key, '') . "\n"
                      . "other main whsec_" . encode_base64($other, '') . "\n");
chmod 0600, "$t->{dir}/shops";

$t->config(
    http => 'referral_convert_keys %%DIR%%/shops;',
    server => <<'END',
        referral_program shop;
        referral_landing "https://shop.example.com/";

        location /r/ {
            referral;
        }

        location /events {
            referral_convert;
            error_page 413 @too_large;
        }

        location @too_large {
            default_type application/problem+json;
            return 413 '{"type": "about:blank", "title": "Content Too Large", "status": 413, "code": "too_large",
                         "detail": "a body has at most 1 MB"}';
        }

        location /inside {
            referral_convert;
            referral_convert_auth location;
            allow 127.0.0.1;
            deny all;
        }

        location /page {
            referral_convert;
            referral_convert_browser on;
        }

        location /checkout {
            referral_convert_from $upstream_http_x_referral_event;
            proxy_pass http://127.0.0.1:%%PORT%%/shop;
            proxy_set_header Host localhost;
        }

        location /old {
            referral_convert_from $upstream_http_x_referral_event;
            proxy_pass http://127.0.0.1:%%PORT%%/said;
            proxy_set_header Host localhost;
        }

        location /said {
            add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=old&at=$arg_at";
            return 200 thanks;
        }

        location /metrics {
            referral_metrics;
        }

        location /shop {
            add_header X-Referral-Event "type=sale&event_id=t1&customer=kim&order_id=o9&amount=100&currency=EUR" always;
            add_header X-Other stays;
            return 200 thanks;
        }
END
);

$t->link('shop', 'aiko7', referrer => 'aiko');
$t->redis('HSET', 'ref:program:{shop}', 'late', '100d');
$t->start;

my $json = JSON::PP->new->canonical;

sub signed {
    my ($body, %o) = @_;

    my $id = $o{id} // 'msg_1';
    my $at = $o{at} // int time;
    my $mac = encode_base64(hmac_sha256("$id.$at.$body", $o{key} // $key), '');

    return [ 'Content-Type', $o{type} // 'application/json',
             'webhook-id', $id, 'webhook-timestamp', $at,
             'webhook-signature', "v1,$mac" ];
}

sub post {
    my ($event, %o) = @_;

    my $body = ref $event ? $json->encode($event) : $event;

    my $r = $t->request('POST', $o{uri} // '/events', body => $body,
                        headers => $o{headers} // signed($body, %o), %o);

    $r->{json} = eval { $json->decode($r->body) } // {};

    return $r;
}

sub stream { my @e = $t->entries('ref:conversions:{shop}'); @e }


# a click, its lead and its sale

my $click = $t->get('/r/aiko7');
my ($click_id) = $click->header('Location') =~ /click_id=([^&]+)/;
my ($cookie) = ($click->header('Set-Cookie') // '') =~ /^([^;]+)/;

ok($click_id, 'there is a click');

ok((wait_for { @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') } }), 'it is in Redis');

my $r = post({ type => 'lead', event_id => 'l1', customer => 'bo',
               click_id => $click_id });

is($r->status, 200, 'a lead is recorded') or diag $r->body;
is($r->{json}{result}, 'recorded', 'and told so');
is($r->{json}{via}, 'click', 'by the click');

$r = post({ type => 'sale', event_id => 's1', customer => 'bo',
            order_id => 'o1', amount => 4990, currency => 'EUR' });

is($r->status, 200, 'a sale is recorded');
is($r->{json}{via}, 'bound', 'the friend is bound');
is($r->{json}{position}, 2, 'numbers have no gap');

$r = post({ type => 'sale', event_id => 's1', customer => 'bo',
            order_id => 'o1', amount => 4990, currency => 'EUR' });

is($r->status, 200, 'the same again');
is($r->header('Idempotent-Replayed'), 'true', 'is told as such');
is($r->{json}{position}, 2, 'with the answer of the first');

$r = post({ type => 'sale', event_id => 's1', customer => 'bo',
            order_id => 'o1', amount => 5990, currency => 'EUR' });

is($r->status, 422, 'another meaning under the same id is refused');
is($r->{json}{code}, 'id_reused', 'by a code');
is($r->header('Content-Type'), 'application/problem+json', 'as a problem');


# what became of it

$r = $t->get('/inside/s1');
is($r->status, 200, 'GET tells what became of an event');
is(eval { $json->decode($r->body)->{amount} }, 4990, 'with its amount');
is($t->get('/inside/nix')->status, 404, 'and of none: 404');
is($t->get('/events/s1')->status, 401, 'a signature is asked for');
is($t->get('/events/s1', headers => signed('', id => 's1'))->status, 200,
   'of the id that is asked for');
is($t->get('/events/s1', headers => signed('', id => 'l1'))->status, 401,
   'and of no other');


is(post({ type => 'lead', event_id => 'a.b', customer => 'dot' })->status, 200,
   'an id with a dot');

sub asked {
    my ($text, %o) = @_;

    return $t->get('/events/' . ($o{for} // 'a.b'),
                   headers => signed($text, %o))->status;
}

is(asked('GET a.b'), 200, 'is asked for by a signature of "GET ID"');
is(asked('GET a.b', id => 'msg_2'), 200, 'under any webhook-id');
is(asked('GET s1', for => 's1'), 200, 'as is one without');
is(asked('GET a.b', for => 's1'), 401, 'which holds for no other event');
is(asked('GET s1'), 401, 'nor the other way round');
is(asked('', id => 'msg_1'), 401, 'and an empty text for none');
is(asked('', id => 'a.b'), 401, 'a webhook-id has no dot');
is(asked('GET a.b', at => int(time) - 301), 401, 'nor is it old');

for my $type ('application/json', 'application/x-ndjson',
              'application/x-www-form-urlencoded')
{
    post('GET type=lead&event_id=q&customer=q', type => $type);
    is($t->get('/inside/q')->status, 404, "and it is no event as $type");
}


# who may

$r = post({ type => 'lead', event_id => 'x', customer => 'c' },
          headers => [ 'Content-Type', 'application/json' ]);
is($r->status, 401, 'without a signature: 401');

is(post({ type => 'lead', event_id => 'x', customer => 'c' },
        key => $other)->status, 401, 'the key of another program: 401');
is(post({ type => 'lead', event_id => 'x', customer => 'c' },
        at => int(time) - 400)->status, 401, 'an old signature: 401');
is(post({ type => 'lead', event_id => 'x', customer => 'c' },
        headers => [ @{ signed('{}') }, 'Early-Data', 1 ])->status, 425,
   'TLS early data: 425');


# mistakes, all at once

$r = post({ type => 'sale', event_id => 'x', ammount => 1, currency => 'XXY',
            amount => 1.5, customer => 'c', order_id => 'o' });
is($r->status, 422, 'an event with mistakes');
is_deeply([ sort map { $_->{field} } @{ $r->{json}{errors} } ],
          [ qw(ammount amount currency) ], 'all are named');

is(post('{"a":', )->status, 400, 'no JSON: 400');
is(post('x', type => 'text/plain')->status, 415, 'another type: 415');

my $zipped = post('x', headers => [ @{ signed('x') }, 'Content-Encoding',
                                    'gzip' ]);
is($zipped->status, 415, 'a compressed body: 415');
is($zipped->header('Content-Type'), 'application/problem+json', 'as a problem');
like($zipped->{json}{detail}, qr/uncompressed/, 'which says how it is taken');
my $large = post(' ' x 1_100_000);
is($large->status, 413, 'a body that is too large: 413');
is($large->header('Content-Type'), 'application/problem+json',
   'as a problem, by the recipe of the manual');
is($large->{json}{code}, 'too_large', 'with its code');
is($large->{json}{status}, 413, 'and its status');

is(post('{"a":', headers => [ @{ signed('{"a":') }, 'Content-Encoding',
                              'Identity' ])->status, 400,
   'identity is no compression');

my $n = stream();

is($t->redis('XLEN', 'ref:conversions:{shop}'), 3, 'nothing of it is kept');


# several

$r = post([ { type => 'lead', event_id => 'b1', customer => 'c1' },
            { type => 'lead', event_id => 'b2' },
            { type => 'lead', event_id => 'b3', customer => 'c3',
              code => 'aiko7' } ]);
is($r->status, 200, 'an array');
is_deeply([ map { $_->{status} } @{ $r->{json}{results} } ],
          [ 200, 422, 200 ], 'one result for each');
is($r->{json}{results}[2]{via}, 'code', 'a typed code counts');

$r = post("type=lead&event_id=f1&customer=c4", uri => '/inside',
          headers => [ 'Content-Type', 'application/x-www-form-urlencoded' ]);
is($r->status, 200, 'a form') or diag $r->body;


# the shop's own answer

$r = $t->get('/checkout', cookie => $cookie);
is($r->status, 200, 'the answer comes through');
is($r->header('X-Referral-Event'), undef, 'without our header');
is($r->header('X-Other'), 'stays', 'and with the others');

ok((wait_for { $t->get('/inside/t1')->status == 200 }), 'the event is taken');
is(eval { $json->decode($t->get('/inside/t1')->body)->{via} }, 'cookie',
   'by the cookie of who was there');


sub old {
    my ($id, $days) = @_;

    my $at = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time - $days * 86400));

    is($t->get("/old?id=$id&at=$at")->status, 200, "$days days later");
}

old('old1', 101);
old('old2', 99);

ok((wait_for { $t->get('/inside/old2')->status == 200 }),
   'an event is taken as late as the program says');
is($t->get('/inside/old1')->status, 404, 'and no later');
$t->expect_log(qr{"at" at_late});


# the visitor's page

my @page = ('Content-Type', 'application/json', 'Sec-Fetch-Site', 'same-origin');

$r = post({ type => 'lead', event_id => 'p1', customer => 'lee' },
          uri => '/page', headers => [ @page ], cookie => $cookie);
is($r->status, 200, 'a lead of the page') or diag $r->body;
is($r->{json}{via}, 'cookie', 'by the cookie');

my $named = $r->{json}{event_id};

like($named, qr/^browser:[0-9a-f]{16}:p1$/, 'under an id of its own');
is($t->get("/inside/$named")->status, 200, 'by which it is found');

$r = post({ type => 'lead', event_id => 'p1', customer => 'lee' },
          uri => '/page', headers => [ @page ], cookie => $cookie);
is($r->header('Idempotent-Replayed'), 'true', 'sent again it is the same');

$r = post({ type => 'lead', event_id => 'p1', customer => 'mal' },
          uri => '/page', headers => [ @page ]);
is($r->status, 200, 'another visitor has other ids');
isnt($r->{json}{event_id}, $named, 'and cannot use up this one\'s');

$r = post({ type => 'lead', event_id => 'p1', customer => 'ann' });
is($r->status, 200, 'nor the shop\'s');
is($r->header('Idempotent-Replayed'), undef, 'which is no replay');
is($t->get('/inside/p1')->status, 200, 'and is found');

is(post({ type => 'lead', event_id => $named, customer => 'ann' })->{json}
        {errors}[0]{code}, 'reserved', 'and the shop takes none of theirs');
is(post({ type => 'lead', event_id => 'p' x 104, customer => 'lee' },
        uri => '/page', headers => [ @page ])->status, 422,
   'an id that is too long for that');
is(post({ type => 'lead', event_id => 'p' x 103, customer => 'lee' },
        uri => '/page', headers => [ @page ])->status, 200, 'the longest');

is(post({ type => 'lead', event_id => 'p2', customer => 'x' }, uri => '/page',
        headers => [ 'Content-Type', 'application/json',
                     'Sec-Fetch-Site', 'cross-site' ])->status, 403,
   'other sites may not');
is(post({ type => 'sale', event_id => 'p3', customer => 'lee', order_id => 'o',
          amount => 1, currency => 'EUR' }, uri => '/page',
        headers => [ @page ])->status, 422, 'and money is no matter of browsers');


# a stream that was exchanged by hand has another event at the position

my $place = sha256_hex('s1');
my ($bucket, $field) = ('ref:ids:{shop}:' . substr($place, 0, 3),
                        substr $place, 3, 22);
my $right = $t->redis('HGET', $bucket, $field);

ok($right, 'where an event stands');
$t->redis('HSET', $bucket, $field, $right =~ s/^\d+/1/r);
is($t->get('/inside/s1')->status, 404, 'GET tells of no other event');
$t->redis('HSET', $bucket, $field, $right);
is($t->get('/inside/s1')->status, 200, 'but of its own');


# numbers for the operator

my $page = $t->get('/metrics')->body;

like($page, qr/^referral_events_total\{answer="replayed"\} 2$/m,
     'replays are counted');
like($page, qr/^referral_events_total\{answer="reused"\} 1$/m,
     'as are ids that were used again');
like($page, qr/^referral_events_total\{answer="unauthorized"\} 10$/m,
     'and requests that may not');


# Redis away: the disk has it

$t->redis_stop;

my $before = time;
$r = post({ type => 'lead', event_id => 'd1', customer => 'dora' });
is($r->status, 202, 'Redis away: accepted') or diag $r->body;
is($r->{json}{result}, 'accepted', 'and told so');

$t->redis_start;

ok((wait_for { $t->get('/inside/d1')->status == 200 }), 'it comes to the stream');

$t->finish;
done_testing;
