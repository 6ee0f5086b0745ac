# protects: hostile requests, cookies and values in Redis get a clear answer
# and nothing else: no header is injected, no host chosen, no key created

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

my $shop = 'https://shop.example.com';

$t->config(
    http => <<'END',
        log_format probe '$referral_program|$referral_code|$referral_lang|'
                         '$referral_channel|$referral_landing|$referral_name|'
                         '$referral_click_id|$referral_visitor';
        access_log %%DIR%%/probe.log probe;
END
    server => <<'END');
        referral_landing "https://shop.example.com/l?lang={lang}";
        referral_landing_args "ref={code}&ch={channel}&n={name}";
        referral_fallback "https://shop.example.com/?why={result}";
        referral_allow shop.example.com *.cdn.example.com;
        referral_channel $arg_ch;
        referral_forward_args on;

        location /r/ {
            referral shop;
        }

        location /variables/ {
            referral shop;
            referral_landing "https://shop.example.com/$arg_a/$http_x_evil?h=$host";
            referral_landing_args off;
            referral_forward_args off;
        }

        location /bare/ {
            referral shop;
            referral_fallback @none;
        }

        location / {
            return 404;
        }

        location @none {
            return 404;
        }

        location ~ ^/p/(?<p>.*?)/(?<c>.*)$ {
            referral $p $c;
        }

        location ~ ^/host/(?<hc>.*)$ {
            referral $host $hc;
        }
END

$t->link('shop', 'x', referrer => 'aiko');
$t->start;

# Every answer: one of a few, its Location printable and of an allowed host.

my $fine = sub {
    my ($r, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    if (!$r) {
        fail("$what: no answer");
        return;
    }

    my $status = $o{status} // qr/^(?:302|400|404|405|414|494)$/;

    like($r->status, $status, "$what: " . $r->status);

    my $location = $r->location // '';

    if (length $location) {
        like($location, qr/^[\x21-\x7e]{1,2048}$/, "$what: printable");
        like($location, qr{^https://(?:shop|[a-z0-9.-]+\.cdn)\.example\.com/},
             "$what: an allowed host");
    }

    my %known = map { $_ => 1 } qw(server date content-type content-length
        connection location cache-control set-cookie);

    my @odd = grep { !$known{lc $_} } $r->names;

    is("@odd", '', "$what: no header that is not ours");

    for my $value ($r->header('Set-Cookie')) {
        like($value, qr/^ref_[a-z0-9_.-]+=[A-Za-z0-9_-]+;[\x20-\x7e]*$/,
             "$what: a cookie and nothing more");
    }
};


subtest 'codes' => sub {
    my @codes = (
        '%0d%0aX-Evil:%20y', 'x%0d%0aSet-Cookie:%20a=b', '%00', 'x%00', 'x%00y',
        '%0a', '%0d', '%7f', '%ff%fe', 'x%c0%80', '%ed%a0%80', '%f5%80%80%80',
        '%2e%2e%2f%2e%2e', '..%2f..', '%5c%5c', '//evil.example', '/evil',
        '\\evil', '%25%30%30', '%u0041', '%', '%zz', '{shop}', '%7bshop%7d',
        '*', '%2a', '?', '$(id)', '`id`', '%24%7Bjndi%7D', 'x;y', 'x,y',
        "x'--", 'x%22', '<script>', '%3cscript%3e', 'x%3Ay', 'x:y', '...',
        '.', '-', '_', '%20', '+', 'x+', '~', '!', 'a' x 65, 'a' x 1000,
        'a' x 8000, '%41' x 2500, '.' x 5000, '/' x 5000, '%e3%81%82' x 800,
    );

    for my $code (@codes) {
        my $what = length $code > 40 ? substr($code, 0, 40) . '…' : $code;

        for my $prefix ('/r/', '/bare/', '/p/shop/', '/p/') {
            $fine->($t->get("$prefix$code"), "$prefix$what");
        }
    }

    $fine->($t->get('/r/' . 'a' x 40000), '40 KB');
    $fine->($t->raw("GET /r/\x00 HTTP/1.1\r\nHost: a\r\n\r\n"), 'a raw NUL');
    $fine->($t->raw("GET /r/x\xff\x80 HTTP/1.1\r\nHost: a\r\n"
                    . "User-Agent: Mozilla/5.0\r\n\r\n"), 'raw bytes');
    $fine->($t->raw("GET /r/x HTTP/1.0\r\n\r\n"), 'HTTP/1.0 without a host');
    $fine->($t->raw("GET http://evil.example/r/x HTTP/1.1\r\n"
                    . "Host: evil.example\r\n\r\n"), 'an absolute target');
};


subtest 'arguments and headers' => sub {
    my @values = (
        '%0d%0aX-Evil:%20y', '%00', '%ff%fe', "'\"<>", '%22%3e%3cscript%3e',
        '//evil.example', 'https://evil.example/', '\\\\evil', '@evil.example',
        '%40evil.example', '?x', '#x', '&ref=evil', 'a' x 8000, '{name}',
        '%7bname%7d', '$host', "\xe3\x81\x82", '%e3%81%82',
    );

    for my $value (@values) {
        my $what = substr $value, 0, 30;

        my $r = $t->get("/r/x?ch=$value");
        $fine->($r, "channel $what");
        is($r->arg('ref') // 'x', 'x', "$what does not replace the code");

        $fine->($t->get("/r/x?utm=$value"), "argument $what");
        $fine->($t->get("/variables/x?a=$value"), "in a landing $what");
        $fine->($t->get('/variables/x?a=a',
                        headers => [ 'X-Evil' => "y$value" ]),
                "header $what in a landing");
    }

    $fine->($t->get('/r/x?' . join '&', map { "a$_=$_" } 1 .. 900),
            'many arguments');

    my @headers = (
        [ 'User-Agent' => 'x' x 8000 ], [ 'User-Agent' => "\xff\xfe\x80" ],
        [ 'User-Agent' => "Mozilla/5.0 \x1b[31m (iPhone" ],
        [ 'User-Agent' => 'Mozilla/5.0 ' . '(' x 4000 ],
        [ 'User-Agent' => 'Mozilla/5.0 ' . 'Android ' x 900 ],
        [ 'Accept-Language' => 'x' x 8000 ],
        [ 'Accept-Language' => 'en,' x 2500 ],
        [ 'Accept-Language' => "en\"><script>" ],
        [ 'Accept-Language' => "../../ja" ],
        [ 'Accept-Language' => "ja;q=999999999999999999999999" ],
        [ 'Accept-Language' => "ja;q=-1,\xff\xfe;q=1" ],
        [ 'Accept-Language' => ',;=,;;q=,,' ],
        [ Referer => 'javascript:alert(1)' ], [ Referer => 'x' x 8000 ],
        [ Referer => "https://\xff\xfe/" ],
        [ Referer => 'https://' . 'a.' x 2000 . 'example/' ],
        [ Referer => 'https://user:pass@evil.example/' ],
        [ Referer => 'https://[::1]:80/' ], [ Referer => 'https://' ],
        [ Cookie => 'ref_shop=' . 'A' x 8000 ],
        [ Cookie => 'ref_shop=' x 900 ],
        [ Cookie => "ref_shop=\xff\xfe; ref_shop=%0d%0a" ],
        [ Cookie => ';;;===' ],
        [ 'Sec-Purpose' => 'x' x 8000 ], [ 'Sec-Fetch-Mode' => 'x' x 8000 ],
        [ Accept => 'x' x 8000 ],
        [ Host => 'evil.example' ], [ Host => 'shop.example.com@evil' ],
    );

    for my $header (@headers) {
        my $what = "$header->[0]: " . substr($header->[1], 0, 30);
        my $r = $t->get('/r/x', headers => $header);

        $fine->($r, $what);
    }

    # twenty of one header

    $fine->($t->get('/r/x', headers => [ map { (Cookie => "ref_shop=$_") }
                                         1 .. 20 ]), 'many cookies');
};


subtest 'landings that Redis names' => sub {
    my @bad = (
        'https://evil.example/', '//evil.example/', '/\\evil.example/',
        '\\\\evil.example', 'https:\\\\shop.example.com/', '/local',
        'shop.example.com/', 'javascript:alert(1)', 'JaVaScRiPt:alert(1)',
        'data:text/html,x', 'file:///etc/passwd', 'ftp://shop.example.com/',
        'https://user@shop.example.com/', 'https://shop.example.com@evil.example/',
        'https://shop.example.com:x/', 'https://shop.example.com:99999/',
        'https://shop.example.com\\@evil.example/', 'https://evil.example#.cdn.example.com/',
        'https://evil.example?.cdn.example.com/', 'https://cdn.example.com/',
        'https://.cdn.example.com/', 'https://xcdn.example.com/',
        'https://shop.example.com.evil.example/', 'https://shop.example.com./',
        "https://shop.example.com/\r\nX-Evil: y", "https://shop.example.com/\n",
        "https://shop.example.com/\0", "https://shop.example.com\0.evil/",
        "https://shop.example.com/\xff\xfe", 'https://shop.example.com/a b',
        "https://shop.example.com/\xe3\x81\x82", "\thttps://evil.example/",
        'https://{name}.example/', 'https://{channel}/', '{name}',
        'https://shop.example.com/{unknown}', 'https://shop.example.com/{',
        'https://shop.example.com/}', 'https://[::1]/', 'https://[evil/',
        'https://', 'https:///x', 'http:shop.example.com', '',
        'https://shop.example.com/' . 'a' x 3000,
        'https://' . 'a' x 300 . '.cdn.example.com/',
    );

    my $i = 0;

    for my $landing (@bad) {
        my $code = 'b' . $i++;
        my $what = substr($landing, 0, 45) =~ s/[^\x20-\x7e]/?/gr;

        $t->link('shop', $code, landing => $landing, name => 'evil');

        my $r = $t->get("/r/$code?ch=evil");

        $fine->($r, "landing $what", status => qr/^302$/);
        unlike($r->location,
               qr{evil\.example|^https://(?:evil|\[)|X-Evil},
               "landing $what: goes nowhere else");

        $t->link('shop', "r$code", rules => "country=!XX $landing\n",
                 name => 'evil');
        $r = $t->get("/r/r$code?ch=evil");
        $fine->($r, "rule $what", status => qr/^302$/);
    }

    for my $name ("\r\nX-Evil: y", "\0", "\xff\xfe", '"><script>',
                  'a' x 100000, '{code}', '%0d%0a', "\xe3\x81", '&ref=evil')
    {
        my $what = substr($name, 0, 20) =~ s/[^\x20-\x7e]/?/gr;

        $t->link('shop', 'named', name => $name, referrer => $name,
                 segment => $name, channel => $name,
                 landing => "$shop/{name}/{referrer}/{segment}");

        my $r = $t->get('/r/named');

        $fine->($r, "name $what", status => qr/^302$/);
        is($r->arg('ref') // 'named', 'named', "name $what stays in its place");
    }

    my @rules = ("\n" x 5000, '#' x 5000, 'country=' . 'JP,' x 3000 . " $shop/",
                 "country=JP $shop/\n" x 2000, 'a=' x 2000, "=\n=\n,,,\n!!!",
                 "country=!!JP $shop/", "\xff\xfe=\x80 $shop/",
                 "bucket=50-10 $shop/", "bucket=0-100 $shop/",
                 "bucket=-1 $shop/", "bucket=99999999999999999999 $shop/",
                 "starts=never $shop/", "as=" . 'x' x 500 . " $shop/",
                 "\0country=JP $shop/", "country=JP\0 $shop/");

    for my $rules (@rules) {
        my $what = substr($rules, 0, 20) =~ s/[^\x20-\x7e]/?/gr;

        $t->link('shop', 'ruled', rules => $rules, landing => "$shop/ok");
        $fine->($t->get('/r/ruled', from => '127.0.1.1'), "rules $what",
                status => qr/^302$/);
    }

    $t->program('shop', languages => 'x' x 5000);
    $fine->($t->get('/r/x'), 'languages', status => qr/^302$/);
    $t->program('shop', window => '99999999999999d', utc_offset => '+99:99',
                attribution => 'both', landing_args => '{', state => 'active');
    $fine->($t->get('/r/x'), 'a program of nonsense', status => qr/^302$/);
    $t->redis('DEL', 'ref:program:{shop}');
};


subtest 'wrong types in Redis' => sub {
    for my $make ([ 'SET', 'x' ], [ 'RPUSH', 'x' ], [ 'SADD', 'x' ],
                  [ 'ZADD', 1, 'x' ], [ 'XADD', '*', 'a', 'b' ])
    {
        my ($command, @rest) = @$make;

        $t->redis('DEL', 'ref:link:{shop}:wrong');
        $t->redis($command, 'ref:link:{shop}:wrong', @rest);
        $t->settle;
        $fine->($t->get('/r/wrong'), "a link by $command",
                status => qr/^302$/);

        $t->redis('DEL', 'ref:program:{shop}');
        $t->redis($command, 'ref:program:{shop}', @rest);
        $t->settle;
        $fine->($t->get('/r/x'), "a program by $command",
                status => qr/^302$/);
        $t->redis('DEL', 'ref:program:{shop}');
    }

    $t->redis('DEL', 'ref:link:{shop}:wrong');

    # a hundred thousand fields

    for my $i (0 .. 99) {
        $t->redis('HSET', 'ref:link:{shop}:huge',
                  map { ("f$i-$_", 'x' x 50) } 1 .. 500);
    }

    $t->redis('HSET', 'ref:link:{shop}:huge', 'landing', "$shop/huge");
    $fine->($t->get('/r/huge'), 'a huge hash', status => qr/^302$/);

    # where the counts should be

    $t->link('w', 'x', referrer => 'r');
    $t->redis('SET', 'ref:stats:{w}', 'text');
    $t->redis('SET', 'ref:days:{w}', 'text');
    $t->redis('HSET', 'ref:stats:{w}:x', 'clicks', 'many');

    my $r = $t->get('/p/w/x');

    $fine->($r, 'a program with broken counts', status => qr/^302$/);
    ok(wait_for { $t->redis('XLEN', 'ref:errors:{w}') > 0 },
       'operations that fail are told of');
    ok(wait_for { $t->redis('ZSCORE', 'ref:board:{w}:clicks', 'x') },
       'and their neighbours count');
    is($t->redis('GET', 'ref:stats:{w}'), 'text', 'what was there stays');
};


subtest 'no key by a request' => sub {
    my $keys = sub { join ' ', sort @{ $t->redis('KEYS', '*') } };

    select undef, undef, undef, 1;

    my $before = $keys->();

    for my $i (1 .. 50) {
        $t->get("/r/guess$i");
        $t->get("/p/program$i/x");
        $t->get("/host/x", host => "host$i.example");
        $t->get("/p/shop%7d:$i/x");
    }

    select undef, undef, undef, 1;

    is($keys->(), $before, 'unknown codes, programs and hosts');

    my %before = %{ $t->hgetall('ref:stats:{shop}') };

    for my $i (1 .. 30) {
        $t->get("/r/x?ch=bad%20channel$i",
                headers => [ 'Accept-Language' => "<x$i>",
                             Referer => "://bad host $i" ]);
    }

    select undef, undef, undef, 1;

    my @new = grep { !exists $before{$_} }
              sort keys %{ $t->hgetall('ref:stats:{shop}') };

    is("@new", 'channel:other' =~ /\Q@new\E/ ? "@new" : '',
       'channels, languages and sources that are none');

    # those that are some are bounded

    my $c = $t->connect;

    for my $i (1 .. 700) {
        $t->get("/r/x?ch=c$i", connection => $c, keepalive => 1,
                headers => [ Referer => "https://s$i.example/",
                             'Accept-Language' =>
                             'a' . chr(97 + $i % 26) . '-x' . $i ])
            or $c = $t->connect;
    }

    my $n;

    wait_for { $t->hgetall('ref:stats:{shop}')->{'channel:other'} // 0 > 100 };
    select undef, undef, undef, 1;

    my $stats = $t->hgetall('ref:stats:{shop}');

    for my $dimension (qw(channel source lang)) {
        my @fields = grep { /^$dimension:/ } keys %$stats;

        cmp_ok(scalar(@fields), '<=', 502, "$dimension: is bounded");
        cmp_ok($stats->{"$dimension:other"} // 0, '>', 100,
               "$dimension:other takes the rest");
    }

    my $link = $t->hgetall('ref:stats:{shop}:x');

    cmp_ok(scalar(keys %$link), '<', 300, "a link's hash is bounded");
};


subtest 'the log' => sub {
    for my $line (split /\n/, $t->read_file('probe.log')) {
        next if $line =~ /^[\x20-\x7e]*$/;
        fail('a variable holds what it must not');
        diag($line =~ s/[^\x20-\x7e]/?/gr);
        last;
    }

    my @five = grep { /" 5\d\d / } split /\n/, $t->read_file('access.log');

    is(scalar(@five), 0, 'no 500');
};

done_testing;
