# protects: nginx -t refuses each mistake and says what is wrong and what
# would be right; a module that is not used does nothing

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->write_file('short.key', "tooshort\n", 0600);
$t->write_file('open.key', unpack('H*', Referral::random(32)) . "\n", 0644);
$t->write_file('empty.key', "# nothing\n\n", 0600);
$t->write_file('second.key', unpack('H*', Referral::random(32))
               . "\n# next\nabc\n", 0600);
$t->write_file('password', "secret\n", 0600);
$t->write_file('two', "secret\nsecret\n", 0600);
$t->write_file('crlf', "secret\r\n", 0600);
$t->write_file('crlf.key', "# ours\r\n\r\n"
               . unpack('H*', Referral::random(32)) . "\r\n", 0600);
$t->write_file('crlf.list', "# ours\r\n\r\nbot ourmonitor\r\n", 0644);

# in a location of a short link: what is wrong there

my $location = sub {
    my ($lines) = @_;
    return (server => "location /r/ { referral shop; $lines }");
};

my $bad = sub {
    my ($what, $re, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($output, $status) = $t->nginx_t(%o);

    is($status, 1, "$what: refused") or diag($output);

    my @lines = grep { /\[emerg\]/ } split /\n/, $output;

    like($lines[0] // '', $re, "$what: said so");
    like($lines[0] // '', qr/check\.conf:\d+|"referral\w*"|"\w+_file"/,
         "$what: said where");
};

my $good = sub {
    my ($what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($output, $status) = $t->nginx_t(%o);

    is($status, 0, "$what: taken");
    is(join("\n", grep { /\[(?:emerg|warn)\]/ } split /\n/, $output), '',
       "$what: without a word");
};

my $land = 'referral_landing https://shop.example.com/;';


subtest 'the short link' => sub {
    $bad->('a regex location without a code',
           qr/regex|regular|code/,
           server => "location ~ ^/r/(.*)\$ { referral shop; $land }");
    $bad->('an exact location without a code', qr/code/,
           server => "location = /r { referral shop; $land }");
    $good->('a regex location with one',
            server => "location ~ ^/r/(.*)\$ { referral shop \$1; $land }");
    $good->('an exact location with one',
            server => "location = /r { referral shop abc; $land }");
    $good->('the program from outside',
            server => "referral_program shop;
                       location /r/ { referral; $land }");
    $bad->('no program at all', qr/program/,
           server => "location /r/ { referral; $land }");
    $bad->('a program that is no name', qr/program.*(?:a-z|lower)/i,
           server => "location /r/ { referral 'Sh op'; $land }");
    $bad->('a program that is no name elsewhere', qr/program/,
           http => 'referral_program Ü;');
    $bad->('a code that is none', qr/code/,
           server => "location = /r { referral shop 'a b'; $land }");
    $bad->('in a server', qr/not allowed here/, server => 'referral shop;');
    $bad->('twice', qr/duplicate/,
           $location->("referral shop; $land"));
    $bad->('too many words', qr/number of arguments/,
           server => "location /r/ { referral a b c; $land }");
};


subtest 'landings' => sub {
    $bad->('no URL', qr/http/, $location->('referral_landing shop;'));
    $bad->('another scheme', qr/http/,
           $location->('referral_landing javascript:alert(1);'));
    $bad->('without a host', qr/host/,
           $location->('referral_landing https:///x;'));
    $bad->('userinfo', qr/user|"@"|host/,
           $location->('referral_landing https://a@shop.example.com/;'));
    $bad->('a backslash', qr/./,
           $location->('referral_landing "https://shop.example.com\\\\x/";'));
    $bad->('an unknown placeholder', qr/colour|placeholder/,
           $location->('referral_landing "https://a.example/{colour}";'));
    $bad->('a brace left open', qr/brace|\{|\}/,
           $location->('referral_landing "https://a.example/{lang";'));
    $bad->('a host of other letters', qr/Punycode, "xn--\.\.\."/,
           $location->("referral_landing 'https://caf\xc3\xa9.example/';"));
    $bad->('letters of another encoding', qr/UTF-8/,
           $location->("referral_landing 'https://a.example/caf\xe9';"));
    $bad->('arguments without an end', qr/longer than 1024 bytes/,
           $location->("$land referral_landing_args 'a=" . 'x' x 1024 . "';"));
    $good->('letters and blanks in a path, a low line in a host',
            $location->("referral_landing
                         'https://my_shop.example/caf\xc3\xa9/a b';
                         referral_allow my_shop.example *.a_b.example;"));
    $bad->('a variable as host, and nothing allowed', qr/referral_allow/,
           $location->('referral_landing "https://$host/";'));
    $bad->('a placeholder as host', qr/referral_allow/,
           $location->('referral_landing "https://{lang}.example.com/";'));
    $good->('with hosts that are allowed',
            $location->('referral_landing "https://$host/";
                         referral_allow *.example.com;'));
    $good->('placeholders and variables in the path',
            $location->('referral_landing
                         "https://a.example/{lang|en}/$arg_p?c={country|us}";'));
    $bad->('an unknown placeholder in arguments', qr/colour|placeholder/,
           $location->("$land referral_landing_args 'c={colour}';"));

    $bad->("arguments that are \"$_\"", qr/without "\?" or "#"/,
           $location->("$land referral_landing_args '$_';"))
        for '?a=b', '&a=b', 'a=b#c', 'a=$arg_a#c';

    $good->('arguments off', $location->("$land referral_landing_args off;"));
    $good->('arguments', $location->("$land referral_landing_args
                                      'a={code}&b=\$arg_b&c=?';"));

    # nginx itself finds that, at the end, and knows no line

    like(scalar($t->nginx_t($location->(
             'referral_landing "https://a.example/$nosuch";'))),
         qr/unknown "nosuch" variable/, 'a variable that nobody knows');

    for my $host ('', '*', 'https://a.example', 'a.example/', 'a b', '.a',
                  '*.', 'a.*', 'shop@x', 'a:80')
    {
        $bad->("allowed host \"$host\"", qr/"\*\.example\.com" are right/,
               $location->("$land referral_allow '$host';"));
    }

    $good->('allowed hosts',
            $location->("$land referral_allow a.example *.b.example;"));
    $good->('an allowed address',
            $location->("$land referral_allow 127.0.0.1;"));
};


subtest 'fallbacks' => sub {
    $good->('a URL',
            $location->("$land referral_fallback
                         'https://a.example/?w={result}';"));
    $good->('a path', $location->("$land referral_fallback /sorry.html;"));
    $good->('a name',
            server => "location /r/ { referral shop; $land
                       referral_fallback \@x; }
                       location \@x { return 404; }");
    $bad->('a word', qr{https?://|"/|path}, 
           $location->("$land referral_fallback sorry;"));
    $bad->('a network path', qr/./,
           $location->("$land referral_fallback //evil.example/;"));
    $bad->('an unknown placeholder', qr/why|placeholder/,
           $location->("$land referral_fallback 'https://a.example/{why}';"));
};


subtest 'status, case, switches' => sub {
    $bad->('a 301', qr/301.*30[237]|30[237].*301|cache/s,
           $location->("$land referral_status 301;"));
    $bad->('a 200', qr/30[237]/, $location->("$land referral_status 200;"));
    $good->("a $_", $location->("$land referral_status $_;"))
        for 302, 303, 307;
    $bad->('case', qr/"upper".*"insensitive" and "sensitive" are right/,
           $location->("$land referral_code_case upper;"));
    $bad->('attribution', qr/"middle".*"last" and "first" are right/,
           $location->("$land referral_attribution middle;"));
    $bad->("$_ maybe", qr/"on" or "off"/, $location->("$land $_ maybe;"))
        for qw(referral_forward_args referral_gpc referral_resolve);
    $bad->("an offset \"$_\"", qr/offset|\+\d\d:\d\d/,
           $location->("$land referral_utc_offset $_;"))
        for qw(9 +25:00 JST +09:60);
    $good->("an offset \"$_\"",
            $location->("$land referral_utc_offset $_;"))
        for qw(+09:00 -03:30 +00:00);
    $bad->('an offset with a name', qr/"timezone"/,
           $location->("$land referral_utc_offset Europe/Berlin;"));

    $good->("a time zone \"$_\"", $location->("$land referral_timezone $_;"))
        for qw(Europe/Berlin UTC America/Argentina/Ushuaia Etc/GMT+12);
    $bad->("no time zone \"$_->[0]\"", $_->[1],
           $location->("$land referral_timezone $_->[0];"))
        for [ 'europe/berlin', qr{is it "Europe/Berlin"\?} ],
            [ 'Tokyo', qr{is it "Asia/Tokyo"\?} ],
            [ 'Mars/Phobos', qr{such as "Europe/Berlin"} ],
            [ '+01:00', qr/utc_offset/ ], [ '../UTC', qr{is it "(?:Etc/)?UTC"\?} ],
            [ 'localtime', qr/no such time zone/ ],
            [ 'right/UTC', qr/no such time zone/ ],
            [ '$arg_tz', qr/a time zone is a name/ ];
    $bad->('a time zone twice', qr/duplicate/,
           $location->("$land referral_timezone UTC; referral_timezone UTC;"));

    local $ENV{TZDIR} = $t->dir . '/nowhere';

    $bad->('a time zone where there are none', qr/package "tzdata"/,
           $location->("$land referral_timezone UTC;"));
    $good->('no time zones', $location->($land));
};


subtest 'cookies' => sub {
    my $cookie = sub { $location->("$land referral_cookie $_[0];") };

    $bad->('__Host- with a domain', qr/__Host-.*domain/,
           $cookie->('__Host-r domain=example.com secure=on'));
    $bad->('__Host- with a path', qr/__Host-.*path/,
           $cookie->('__Host-r path=/x secure=on'));
    $bad->('__Host- that is not secure', qr/__Host-.*secure/,
           $cookie->('__Host-r secure=off'));
    $bad->('__Secure- that is not secure', qr/__Secure-.*secure/,
           $cookie->('__Secure-r secure=off'));
    $bad->('__host- that is not secure', qr/__host-.*secure/,
           $cookie->('__host-r secure=off'));
    $bad->('__SECURE- that is not secure', qr/__SECURE-.*secure/,
           $cookie->('__SECURE-r secure=off'));
    $bad->('samesite=none without secure=on', qr/samesite.*secure=on/,
           $cookie->('r samesite=none'));
    $bad->('samesite=odd', qr/samesite.*lax|invalid/,
           $cookie->('r samesite=odd'));
    $bad->('secure=yes', qr/secure.*auto|invalid/, $cookie->('r secure=yes'));
    $bad->('httponly=yes', qr/httponly.*on|invalid/,
           $cookie->('r httponly=yes'));
    $bad->('max_age=', qr/max_age|invalid/, $cookie->('r max_age=soon'));
    $bad->('max_age of two years', qr/max_age.*400|invalid/,
           $cookie->('r max_age=800d'));
    $bad->('an unknown option', qr/colour|invalid/,
           $cookie->('r colour=red'));
    $bad->('a name with a space', qr/name/, $cookie->("'a b'"));
    $bad->('a name with a semicolon', qr/name/, $cookie->("'a;b'"));
    $bad->('a path with a semicolon', qr/path/,
           $cookie->("r 'path=/;x'"));
    $bad->('a domain with a semicolon', qr/domain/,
           $cookie->("r 'domain=a.example;x'"));
    $good->('all of it',
            $cookie->('r domain=shop.example.com path=/ max_age=30d '
                      . 'samesite=lax secure=on httponly=on'));
    $good->('off', $cookie->('off'));

    my ($output, $status) =
        $t->nginx_t($cookie->('r domain=other.example secure=on'));

    is($status, 0, "a landing outside of the cookie's domain is taken");
    like($output, qr/\[warn\].*shop\.example\.com.*other\.example
                    |\[warn\].*other\.example.*shop\.example\.com/x,
         'with a warning that names both');
};


subtest 'keys' => sub {
    my $key = sub {
        return (http => "referral_key_file $_[0];", $location->($land));
    };

    $bad->('too short', qr/32/, $key->('%%DIR%%/short.key'));
    $bad->('a second one too short', qr/32.*|line/,
           $key->('%%DIR%%/second.key'));
    $bad->('readable by others', qr/open to others.*chmod 600/,
           $key->('%%DIR%%/open.key'));
    $bad->('no key in it', qr/key/, $key->('%%DIR%%/empty.key'));
    $bad->('not there', qr/nowhere\.key.*No such file/s,
           $key->('%%DIR%%/nowhere.key'));
    $bad->('twice', qr/duplicate/,
           http => 'referral_key_file %%DIR%%/key;
                    referral_key_file %%DIR%%/key;');

    # without one a key is made, once

    my %own = (bare => 1, http => 'referral_journal %%DIR%%/made;',
               $location->($land));

    my ($output, $status) = $t->nginx_t(%own);

    is($status, 0, 'without a file: taken');
    like($output, qr/\[notice\] .*: other hosts need the same, see "referral/,
         'with a notice that other hosts need the same');

    my $made = $t->read_file('made.key');
    my @stat = stat $t->dir . '/made.key';

    is(sprintf('%o', ($stat[2] // 0) & 07777), '600', "its owner's alone");
    cmp_ok(length($made), '>=', 32, 'a key');

    unlike(scalar($t->nginx_t(%own)), qr/other hosts/, 'made once');
    is($t->read_file('made.key'), $made, 'and kept');
};


subtest 'Redis and the zone' => sub {
    my $http = sub { (http => $_[0], $location->($land)) };

    $bad->('a bad port', qr/port/,
           $http->('referral_redis 127.0.0.1:99999;'));
    $bad->('a host that is none', qr/host not found/,
           $http->('referral_redis nosuchhost.invalid:6379;'));
    $bad->('an unknown option', qr/colour|invalid/,
           $http->('referral_redis 127.0.0.1:1 colour=red;'));
    $bad->('timeout=', qr/timeout|invalid/,
           $http->('referral_redis 127.0.0.1:1 timeout=soon;'));
    $bad->('timeout=0', qr/timeout|invalid/,
           $http->('referral_redis 127.0.0.1:1 timeout=0;'));
    $bad->('db=', qr/db|invalid/,
           $http->('referral_redis 127.0.0.1:1 db=x;'));
    $bad->('a prefix with braces', qr/prefix.*brace|prefix/,
           $http->('referral_redis 127.0.0.1:1 "prefix={x}:";'));
    $bad->('a password file that is not there', qr/No such file/,
           $http->('referral_redis 127.0.0.1:1
                    password_file=%%DIR%%/nowhere;'));
    $good->('all of it',
            $http->('referral_redis 127.0.0.1:1 username=u
                     password_file=%%DIR%%/password db=3 prefix=r:
                     timeout=200ms;'));
    $good->('a socket', $http->('referral_redis unix:/tmp/x.sock;'));
    $good->('a name', $http->('referral_redis localhost:1;'));

    $bad->('a small zone', qr/1m or more/,
           $http->('referral_zone 1k;'));
    $bad->('a zone that is no size', qr/zone|size|invalid/,
           $http->('referral_zone big;'));
    $bad->('valid=', qr/valid|invalid/,
           $http->('referral_zone 4m valid=soon;'));
    $good->('a zone',
            $http->('referral_zone 4m valid=10m untracked=2s negative=10s
                     stale=1d;'));
    $good->('a large zone', $http->('referral_zone 1g;'));

    $bad->('events maxlen=', qr/maxlen|invalid/,
           $http->('referral_events maxlen=-1;'));
    $bad->('events age=', qr/age|invalid/,
           $http->('referral_events age=old;'));
    $good->('events', $http->('referral_events maxlen=100k age=30d;'));
    $good->('no events', $http->('referral_events off;'));

    for my $name (qw(referral_redis referral_zone referral_geoip
                     referral_events))
    {
        my ($output, $status) =
            $t->nginx_t(server => "location / { $name x; }");

        is($status, 1, "$name in a location");
        like($output, qr/not allowed here/, "$name in a location: said so");
    }
};


subtest 'the journal and the geo databases' => sub {
    my $journal = sub {
        return (http => "referral_journal %%DIR%%/journal $_[0];",
                $location->($land));
    };

    $bad->("a journal with $_", qr/segment=.*at least 131072 bytes/,
           $journal->($_))
        for 'segment=1k', 'segment=big', 'segment=-1';
    $bad->("a journal with $_", qr/max=.*at least 524288 bytes/,
           $journal->($_))
        for 'max=1k', 'max=big';
    $bad->("a journal with $_->[0]",
           qr/segment=", which is \w+: "$_->[1]" or more is right/,
           $journal->($_->[0]))
        for [ 'max=63m', 'max=64m' ], [ 'segment=16m max=32m', 'max=64m' ],
            [ 'max=1g segment=257m', 'max=1028m' ],
            [ 'segment=300k max=1m', 'max=1200k' ];

    $good->('a journal with what is said', $journal->('max=64m'));
    $bad->("a journal with $_", qr/retain=.*0 to 2592000 seconds/,
           $journal->($_))
        for 'retain=soon', 'retain=31d', 'retain=-1';
    $bad->("a journal with $_", qr/"sync=off", .*"sync=always" are right/,
           $journal->($_))
        for 'sync=on', 'sync=', 'colour=red';
    $bad->('two journals', qr/duplicate/,
           $journal->('; referral_journal %%DIR%%/other'));
    $good->('a journal', $journal->('segment=128k max=512k retain=0'));
    $good->("a journal with sync=$_",
            $journal->("segment=16m max=1g retain=2h sync=$_"))
        for qw(off interval always);

    my $geo = sub { (http => "referral_geoip $_[0];", $location->($land)) };

    $bad->('no database', qr/names no \.mmdb file/, $geo->('reload=1h'));
    $bad->('a database that is not there',
           qr{"referral_geoip": cannot open "/nowhere\.mmdb"},
           $geo->('/nowhere.mmdb'));
    $bad->('reload=', qr/reload=.*0 to 2592000 seconds/,
           $geo->('/nowhere.mmdb reload=soon'));
};


# the word that is wrong, where it stands, and what would be right

subtest 'what is said' => sub {
    my $where = qr/ in \S*check\.conf:\d+$/;
    my $said = sub {
        my ($what, $re, %o) = @_;

        local $Test::Builder::Level = $Test::Builder::Level + 1;

        my $level = delete $o{level} // 'emerg';
        my ($output, $status) = $t->nginx_t(%o);
        my ($line) = grep { /\[$level\]/ } split /\n/, $output;

        is($status, $level eq 'emerg' ? 1 : 0, "$what: status");
        like($line // '', $re, "$what: what is right");
        like($line // '', $where, "$what: where");
    };

    my $http = sub { (http => $_[0], $location->($land)) };
    my $redis = qr/"127\.0\.0\.1:6379", "\[::1\]:6379", .*"unix:\/path" are/;

    $said->("redis $_", qr/"\Q$_\E": $redis/, $http->("referral_redis $_;"))
        for '::1:6379', '/run/redis.sock', 'redis://127.0.0.1:6379',
            '127.0.0.1:6379/3', '6379';

    $said->('redis timeout=500', qr/"timeout=500".*bare number is seconds/,
            $http->('referral_redis 127.0.0.1:1 timeout=500;'));
    $said->('redis timeout=50', qr/50 seconds.*"timeout=50ms"/,
            $http->('referral_redis 127.0.0.1:1 timeout=50;'),
            level => 'warn');
    $said->('events age=90', qr/"age=90" is 90 seconds: "age=90d"/,
            $http->('referral_events age=90;'), level => 'warn');
    $said->('journal retain=2', qr/"retain=2" is 2 seconds: "retain=2h"/,
            $http->('referral_journal %%DIR%%/journal retain=2;'),
            level => 'warn');
    $said->('max_age=30', qr/"max_age=30" is 30 seconds: "max_age=30d"/,
            $location->("$land referral_cookie r max_age=30;"),
            level => 'warn');

    $good->("times that are meant: $_", $http->($_))
        for 'referral_events age=86400;', 'referral_events age=90s;',
            'referral_redis 127.0.0.1:1 timeout=2;',
            'referral_redis 127.0.0.1:1 timeout=60s;',
            'referral_journal %%DIR%%/journal retain=0;',
            'referral_journal %%DIR%%/journal retain=7200;',
            'referral_cookie r max_age=86400;',
            'referral_cookie r max_age=30s;',
            'referral_zone 4m valid=10 stale=30;';

    $said->('max=1gb', qr/"max=1gb".*such as "max=1g"/,
            $http->('referral_journal %%DIR%%/journal max=1gb;'));

    # files

    $said->('no key', qr/needs a key of "openssl rand -hex 32".*No such file/,
            $http->('referral_key_file %%DIR%%/nowhere;'));
    $said->('a bad key', qr/short\.key", line 1; "openssl rand -hex 32"/,
            $http->('referral_key_file %%DIR%%/short.key;'));
    $said->('no key in it', qr/empty\.key"; "openssl rand -hex 32"/,
            $http->('referral_key_file %%DIR%%/empty.key;'));
    $said->('an open key', qr/open to others: "chmod 600" it/,
            $http->('referral_key_file %%DIR%%/open.key;'));
    $said->('an empty name', qr/needs the name of a file/,
            $http->('referral_key_file "";'));
    $said->('no bots', qr/"referral_bots" needs a file.*"bots.list".*No such/,
            $http->('referral_bots %%DIR%%/nowhere;'));
    $said->('bad bots', qr/"referral_bots": .*"#" in .*line 1/,
            $http->('referral_bots %%DIR%%/short.key;'));
    $said->('no database', qr/"referral_geoip": cannot open/,
            $http->('referral_geoip %%DIR%%/nowhere.mmdb;'));
    $said->('no password', qr/"password_file" needs a file with the password/,
            $http->('referral_redis 127.0.0.1 password_file=%%DIR%%/no;'));
    $said->('two passwords', qr/should hold one line, the password alone/,
            $http->('referral_redis 127.0.0.1 password_file=%%DIR%%/two;'));
    $said->('no parent', qr{"referral_journal": .*"mkdir -p \S+/no" first},
            $http->('referral_journal %%DIR%%/no/journal;'));
    $said->("a journal that is \"$_\"", qr/needs the path of a directory/,
            $http->("referral_journal '$_';"))
        for '', 'off', 'on';

    ok(!-e $t->dir . '/off', 'which is not made');

    # slips of those who know other directives

    $said->("cookie $_", qr/"$_" is taken for the name of the cookie/,
            $location->("$land referral_cookie $_;"), level => 'warn')
        for qw(on secure HttpOnly Lax);
    $said->('arguments on', qr/"on" in "referral_landing_args": .*"off" for/,
            $location->("$land referral_landing_args on;"));
    $said->('an empty status', qr/"" in "referral_status": 302, 303 and 307/,
            $location->("$land referral_status '';"));
    $good->($_, $location->("$land $_;"))
        for 'referral_cookie OFF', 'referral_landing_args Off';
    $good->('referral_events OFF', $http->('referral_events OFF;'));

    # files that were written on Windows

    $good->('a key with CR and LF',
            $http->('referral_key_file %%DIR%%/crlf.key;'));
    $good->('a password with CR and LF',
            $http->('referral_redis 127.0.0.1 password_file=%%DIR%%/crlf;'));
    $good->('bots with CR and LF',
            $http->('referral_bots %%DIR%%/crlf.list;'));
    $good->('a configuration with CR and LF',
            $http->("referral_events\r\n age=30d\r\n maxlen=10k;\r\n"));
};


subtest 'inheritance' => sub {
    $t->link('shop', 'x', referrer => 'aiko');
    $t->link('shop2', 'x', referrer => 'aiko');

    $t->config(
        http => <<'END',
            referral_landing https://http.example.com/;
            referral_landing_args "level=http";
            referral_status 307;
            referral_program shop;
END
        server => <<'END',
            referral_landing https://server.example.com/;

            location /a/ {
                referral;
            }

            location /b/ {
                referral shop2;
                referral_landing https://location.example.com/;
                referral_landing_args off;
                referral_status 302;

                location /b/c/ {
                    referral;
                }
            }
END
        );

    $t->start;

    my $r = $t->get('/a/x');
    is($r->status, 307, 'from http');
    is($r->location, 'https://server.example.com/?level=http',
       'from server and http');
    ok($r->set_cookie('ref_shop'), 'the program of http');

    $r = $t->get('/b/x');
    is($r->status, 302, 'its own');
    is($r->location, 'https://location.example.com/', 'its own');
    ok($r->set_cookie('ref_shop2'), 'its own program');

    $r = $t->get('/b/c/x');
    is($r->location, 'https://location.example.com/', 'from the location');
    ok($r->set_cookie('ref_shop'),
       'a nested short link has the program that is set, not its parent\'s');

    $t->stop;
};


subtest 'another database and prefix, no events' => sub {
    $t->config(
        http => 'referral_redis %%REDIS%% db=3 prefix=x:;
                 referral_events off;',
        server => "location /r/ { referral shop; $land }");

    $t->redis('SELECT', 3);
    $t->redis('HSET', 'x:link:{shop}:one', 'referrer', 'aiko');
    $t->start;

    my $r = $t->get('/r/one');

    like($r->location, qr{^https://shop\.example\.com/\?ref=one},
         'the link is found');

    ok((wait_for { $t->redis('HGET', 'x:stats:{shop}', 'clicks') }),
       'its click is counted');

    $t->redis('HSET', 'x:link:{shop}:one', 'landing',
              'https://shop.example.com/new');

    ok((wait_for { $t->get('/r/one')->location =~ m{/new\?} }),
       'an edit is seen');

    $t->stop;

    my @keys = @{ $t->redis('KEYS', '*') };

    is(join(' ', grep { !/^x:/ } @keys), '', 'all keys have the prefix');
    is(join(' ', grep { /events/ } @keys), '', 'none is of events');

    $t->redis('SELECT', 0);
    is(join(' ', @{ $t->redis('KEYS', 'x:*') }), '',
       'nor is one in another database');
};


subtest 'loaded, not used' => sub {
    $t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    my ($output, $status) = $t->nginx_t(bare => 1);
    is($status, 0, 'a module without a directive');
    is(join("\n", grep { /\[\w+\]/ } split /\n/, $output), '',
       'says nothing');

    $t->config(bare => 1, server => 'location / { return 200 ok; }');
    $t->start;

    is($t->get('/')->body, 'ok', 'nginx is nginx');

    my ($worker) = $t->workers;
    my @fds = grep { defined } map { readlink } glob "/proc/$worker/fd/*";

    # but for what whoever runs the test handed down: standard error, say

    my %inherited = map { $_ => 1 } grep { defined }
                    map { readlink } glob "/proc/$$/fd/*";

    # the listening one and the channel to the master; the test's own
    # connection ends a moment later

    ok((wait_for {
            2 >= grep { /^socket:/ && !$inherited{$_} } grep { defined }
                 map { readlink } glob "/proc/$worker/fd/*"
        }), 'opens no connection');
    is(scalar(grep { /memfd|referral/ && !/\.log$/ } @fds), 0,
       'and no file');

    ok((wait_for { 1 == split /\n/, $t->redis('CLIENT', 'LIST') }),
       'Redis knows the test alone');

    $t->stop;

    # nor does a configuration that only names things

    $t->config(server => 'location / { return 200 "[$referral_code]"; }');
    $t->start;
    is($t->get('/')->body, '[]', 'a variable without a short link is empty');
};

done_testing;
