# protects: nginx -t warns of what nginx accepts although it can never work:
# short links that no request reaches, cookies that browsers refuse or
# overwrite, fallbacks that lead nowhere; and it does not warn of what works

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new(redis => 0);
my $land = 'referral_landing https://go.example.com/;';

# the server of the harness is "localhost", which stands for any host

sub server {
    my ($names, $lines, $port) = @_;

    return 'server { listen 127.0.0.1:' . ($port // $t->port)
           . "; server_name $names; $lines }";
}

sub short { "location $_[0] { referral $_[1]; $land @_[2 .. $#_] }\n" }

sub check {
    my ($what, $re, $servers, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($output, $status) = $t->nginx_t(servers => $servers, %o);
    my @said = grep { /\[(?:warn|emerg)\]/ } split /\n/, $output;
    my $refused = $o{refused} // 0;

    is($status, $refused, "$what: " . ($refused ? 'refused' : 'taken'))
        or diag($output);

    if (!defined $re) {
        is("@said", '', "$what: without a word");
        return;
    }

    is(scalar @said, $o{n} // 1, "$what: said once") or diag("@said");
    like($said[0] // '', $re, "$what: said what");
    like($said[0] // '', qr/check\.conf:\d+/, "$what: said where")
        unless $o{no_line};
}


subtest 'one cookie of two programs' => sub {
    my $ref = 'referral_cookie ref;';
    my $two = short('/r/', 'shop') . short('/o/', 'outlet');

    check('one server',
          qr{"shop"\ and\ "outlet"\ share\ the\ cookie\ "ref".*
             check\.conf:\d+\ and\ in\ \S+check\.conf:\d+}x,
          server('go.example.com', $ref . $two));

    check('three programs', qr/"shop" and "outlet"/,
          server('go.example.com', $ref . $two . short('/p/', 'pop')), n => 2);

    check('two servers of one name', qr/share the cookie/,
          server('go.example.com', $ref . short('/r/', 'shop'))
          . server('go.example.com www.example.com',
                   $ref . short('/o/', 'outlet'), $t->port + 1));

    check('two hosts, one domain', qr/share the cookie/,
          server('go.example.com', short('/r/', 'shop',
                 'referral_cookie ref domain=example.com;'))
          . server('to.example.com', short('/o/', 'outlet',
                   'referral_cookie ref domain=.Example.com;')));

    check('by referral_program', qr/share the cookie/,
          server('go.example.com', "$ref referral_program shop;"
                 . short('/r/', '') . short('/o/', 'outlet')));

    check('nested', qr/share the cookie/,
          server('go.example.com',
                 "location /r/ { referral shop; $land $ref
                  location /r/o/ { referral outlet; $land } }"));

    check('the names that nobody said', undef,
          server('go.example.com', $two));
    check('a name each', undef,
          server('go.example.com',
                 short('/r/', 'shop', 'referral_cookie a;')
                 . short('/o/', 'outlet', 'referral_cookie b;')));
    check('a path each', undef,
          server('go.example.com',
                 short('/r/', 'shop', 'referral_cookie ref path=/r/;')
                 . short('/o/', 'outlet', 'referral_cookie ref path=/o/;')));
    check('one of them has none', undef,
          server('go.example.com', $ref . short('/r/', 'shop')
                 . short('/o/', 'outlet', 'referral_cookie off;')));
    check('one program twice', undef,
          server('go.example.com', $ref . short('/r/', 'shop')
                 . short('/o/', 'shop')));
    check('a program of a variable', undef,
          server('go.example.com', $ref . short('/r/', '$arg_p')
                 . short('/o/', 'shop')));
    check('two hosts', undef,
          server('go.example.com', $ref . short('/r/', 'shop'))
          . server('to.go.example.com', short('/o/', 'outlet',
                   'referral_cookie ref domain=go.example.com;')));
};


subtest 'a domain that browsers refuse' => sub {
    my $of = sub {
        my ($names, $domain) = @_;
        return server($names, "location /r/ { referral shop;
                       referral_allow a.example;
                       referral_cookie ref_shop $domain; }");
    };

    for my $case (
        [ 'go.example.com', 'example.net', 'go.example.com' ],
        [ 'go.example.com', 'com', 'go.example.com' ],
        [ 'go.example.com', '.com', 'go.example.com' ],
        [ 'go.example.com', 'localhost', 'go.example.com' ],
        [ 'go.example.com', 'shop.example.com', 'go.example.com' ],
        [ 'go.example.com', 'o.example.com', 'go.example.com' ],
        [ 'go.example.com', 'ample.com', 'go.example.com' ],
        [ 'go.example.com', 'www.go.example.com', 'go.example.com' ],
        [ 'go.example.com', '192.0.2.1', 'go.example.com' ],
        [ 'go.example.com go.example.net', 'example.com', 'go.example.net' ],
        [ '_ go.example.net', 'example.com', 'go.example.net' ],
        [ '192.0.2.1', '2.1', '192.0.2.1' ],
        [ '192.0.2.1', 'example.com', '192.0.2.1' ],
        [ '*.example.com', 'example.net', '\\*.example.com' ],
        [ '.example.com', 'example.net', '.example.com' ],
        [ '*.example.com', 'com', '\\*.example.com' ],
    ) {
        my ($names, $domain, $from) = @$case;

        check("$domain from $names",
              qr/browsers refuse "domain=\Q$domain\E" from "$from"/,
              $of->($names, "domain=$domain"));
    }

    for my $case (
        [ 'go.example.com', 'example.com' ],
        [ 'go.example.com', '.example.com' ],
        [ 'go.example.com', 'EXAMPLE.com' ],
        [ 'go.example.com', 'go.example.com' ],
        [ 'go.example.com www.example.com', 'example.com' ],
        [ '*.example.com', 'example.com' ],
        [ '*.example.com', 'go.example.com' ],
        [ '.example.com', 'example.com' ],
        [ 'go.example.*', 'example.net' ],
        [ '"~^go\\.(?<site>.+)$"', 'example.com' ],
        [ '_', 'example.com' ],
        [ '""', 'example.com' ],
        [ '192.0.2.1', '192.0.2.1' ],
        [ 'otherhost', 'example.com' ],
    ) {
        check("$case->[1] from $case->[0]", undef,
              $of->($case->[0], "domain=$case->[1]"));
    }

    my $reach = sub {
        my ($names, $landing, $cookie) = @_;
        return server($names, "location /r/ { referral shop;
                 referral_landing https://$landing/; $cookie }");
    };

    check('refused, and the landing elsewhere',
          qr/browsers refuse "domain=shop.example.net" from "go.example.com"/,
          $reach->('go.example.com', 'shop.example.com',
                   'referral_cookie ref domain=shop.example.net;'));

    check('the landing is a sister',
          qr/"go.example.com" does not.*"shop.example.com":.*"domain=example/,
          $reach->('go.example.com', 'shop.example.com', ''));

    check('the landing is a stranger',
          qr/"shop.example.net": let the landing keep click_id/,
          $reach->('go.example.com', 'shop.example.net', ''));

    check('a domain of a registry is no advice',
          qr/"shop.other.co.uk": let the landing keep click_id/,
          $reach->('go.shop.co.uk', 'shop.other.co.uk', ''));

    check('one under it is',
          qr/"domain=shop.co.uk"/,
          $reach->('go.shop.co.uk', 'www.shop.co.uk', ''));

    check('a domain that is too narrow',
          qr/cookie of "domain=go.example.com" does not.*"domain=example.com"/,
          $reach->('go.example.com', 'shop.example.com',
                   'referral_cookie ref domain=go.example.com;'));

    check('it reaches', undef,
          $reach->('go.example.com', 'shop.example.com',
                   'referral_cookie ref domain=example.com;'));
    check('a wildcard and a host of it', undef,
          $reach->('*.example.com', 'shop.example.com', ''));
};


subtest 'a cookie that browsers refuse by its name' => sub {
    my $re = qr/browsers take|browsers do not take/;

    for my $name (qw(__Host-r __host-r __HOST-r __Host-Http-r)) {
        for my $o ('domain=example.com', 'path=/r', 'secure=off') {
            check("$name $o", $re,
                  server('go.example.com', short('/r/', 'shop',
                         "referral_cookie $name $o;")), refused => 1);
        }
    }

    for my $name (qw(__Secure-r __secure-r __Http-r)) {
        check("$name secure=off", $re,
              server('go.example.com', short('/r/', 'shop',
                     "referral_cookie $name secure=off;")), refused => 1);
        check("$name domain=", undef,
              server('go.example.com', short('/r/', 'shop',
                     "referral_cookie $name domain=example.com;")));
    }

    for my $name (qw(__Http-r __host-http-r)) {
        check("$name httponly=off", $re,
              server('go.example.com', short('/r/', 'shop',
                     "referral_cookie $name httponly=off;")), refused => 1);
    }

    check('samesite=none', $re,
          server('go.example.com', short('/r/', 'shop',
                 'referral_cookie r samesite=none;')), refused => 1);
    check('samesite=none with a name that is secure', undef,
          server('go.example.com', short('/r/', 'shop',
                 'referral_cookie __Host-r samesite=none;')));

    for my $domain (qw(. .. ..example.com example..com example.com. -.com
                       .example.com. a-.com), 'exa_mple;')
    {
        check("domain=$domain", qr/"domain=example.com" is right/,
              server('go.example.com', short('/r/', 'shop',
                     "referral_cookie r 'domain=$domain';")), refused => 1);
    }
};


subtest 'what answers first' => sub {
    my $re = qr/no click would ever reach "referral" in/;
    my $in = sub { server('go.example.com', short('/r/', 'shop', @_)) };

    for my $line (
        'return 302 https://x.example/;',
        'return 404;',
        'return 200 "hello $host";',
        'return https://x.example/;',
        'set $x 1; return 302 https://x.example/$x;',
        'set $x "a$arg_b-c"; return 404;',
        'set $x "a$arg_b"; if ($x = "b$arg_c") { break; } return 404;',
        'set $x a; set $y "$x/$arg_y/longer than eight"; return 404;',
        'if ($request_method = POST) { return 405; } return 404;',
        'if ($arg_a) { set $x 1; } return 404;',
        'if ($arg_a ~ "^b(.*)$") { set $x $1; } return 404;',
        'if ($arg_a != b) { set $x c; } return 404;',
        'if (-f $request_filename) { set $x c; } return 404;',
        'rewrite ^ https://x.example/ redirect;',
        'rewrite ^ https://x.example/;',
        'rewrite ^/r/(.*)$ https://x.example/$1 permanent;',
        'rewrite ^/r/(.+)$ /x/$1 last;',
        'rewrite ^/r/(.+)$ /x/$1;',
        'rewrite .* /x;',
        'rewrite ^/none$ /x; return 404;',
        'try_files $uri =404;',
        'try_files /a.html /b.html;',
    ) {
        check($line, $re, $in->($line));
    }

    for my $line (
        'set $x 1;',
        'if ($request_method = POST) { return 405; }',
        'if ($arg_a) { return 302 https://x.example/; }',
        'if ($arg_a ~ "^b(.*)$") { rewrite ^ /x last; }',
        'break; return 404;',
        'rewrite ^/r/old$ /r/new last;',
        'rewrite ^/r/([^/]+)$ /r/$1/ last;',
        'rewrite ^(/r/.*)\.html$ $1 break;',
        'rewrite ^/r/(.*)$ /r/x$1 break;',
        'rewrite ^/r/x(.*)$ https://x.example/ redirect;',
        'error_page 404 /x;',
        'root /tmp;',
        'set $x "a$arg_b"; break; return 404;',
    ) {
        check($line, undef, $in->($line));
    }

    check('alias', undef, $in->('alias /tmp/;'));

    check('a return of the server', $re,
          server('go.example.com',
                 'return 301 https://x.example/;' . short('/r/', 'shop')));
    check('a rewrite of the server', $re,
          server('go.example.com', 'rewrite ^ https://x.example/ permanent;'
                 . short('/r/', 'shop')));
    check('a return of the server in an if', undef,
          server('go.example.com',
                 'if ($host = x) { return 301 https://x.example/; }'
                 . short('/r/', 'shop')));
    check('a rewrite of the server that is none of ours', undef,
          server('go.example.com', 'rewrite ^/old/ https://x.example/;'
                 . 'rewrite ^/go/(.*)$ /r/$1 last;' . short('/r/', 'shop')));
    check('a return of the location around', undef,
          server('go.example.com', "location /r/ { return 404; "
                 . short('/r/s/', 'shop') . '}'));
    check('a return of the location inside', undef,
          server('go.example.com', "location /r/ { referral shop; $land
                  location = /r/ { return 404; } }"));
    check('a regex location', $re,
          server('go.example.com',
                 short('~ ^/r/(.*)$', 'shop $1', 'return 404;')));
    check('an exact location', $re,
          server('go.example.com',
                 short('= /r', 'shop abc', 'rewrite ^/r$ /x last;')));
    check('a named location', $re,
          server('go.example.com', short('@r', 'shop $arg_c', 'return 404;')));

    check('the page of numbers', qr/would ever reach "referral_metrics" in/,
          server('go.example.com', 'location = /m { referral_metrics;
                                    return 200; } ' . short('/r/', 'shop')));
    check('the page of numbers, with other contents',
          qr/would ever reach "referral_metrics" in/,
          server('go.example.com', 'location = /m { referral_metrics;
                                    proxy_pass http://127.0.0.1:1; } '
                                   . short('/r/', 'shop')));
};


subtest 'fallbacks that lead nowhere' => sub {
    my $to = sub {
        my ($fallback, @more) = @_;
        return server('go.example.com', "@more"
                      . short('/r/', 'shop', "referral_fallback $fallback;"));
    };

    check('a name that is not there',
          qr/leads to "\@nope", and this server has no such location/,
          $to->('@nope'));
    check('one of another server', qr/"\@x".*no such location/,
          $to->('@x') . server('x.example.com', 'location @x { return 404; }'));
    check('a name of a part', qr/"\@xy".*no such location/,
          $to->('@xy', 'location @xyz { return 404; }'));
    check('for all servers', qr/"\@x".*no such location/,
          server('go.example.com', short('/r/', 'shop')
                 . 'location @x { return 404; }')
          . server('to.example.com', short('/r/', 'shop',
                                           'referral_cookie off;')),
          http => 'referral_fallback @x;');
    check('a name that is there', undef,
          $to->('@x', 'location @x { return 404; }'));

    check('a short link by name', qr/leads to a short link again/,
          $to->('@x', short('@x', 'shop $arg_c')));
    check("$_: a short link", qr/leads to a short link again/,
          $to->($_, short('/o/', 'outlet')))
        for '/r/other', '/r/', '/o/kim2', '"/o/kim2?a=b"', '"/r/a/b"';
    check('a short link by regex', qr/leads to a short link again/,
          $to->('/x/y', short('~ ^/x/(.*)$', 'shop $1')));
    check('a nested short link', qr/leads to a short link again/,
          $to->('/x/y/z', 'location /x/ { ' . short('/x/y/', 'shop') . '}'));
    check('an exact short link', qr/leads to a short link again/,
          $to->('/x', short('= /x', 'shop abc')));

    check('a page', undef, $to->('/sorry.html'));
    check('a page beside', undef,
          $to->('/r/sorry.html', 'location = /r/sorry.html { }'));
    check('a page inside', undef,
          server('go.example.com', "location /r/ { referral shop; $land
                  referral_fallback /r/help/a; location /r/help/ { } }"));
    check('a page that a regex takes', undef,
          $to->('/r/sorry.html', 'location ~ \\.html$ { }'));
    check('one beside a short link of one name', undef,
          $to->('/x/y', short('= /x', 'shop abc')));

    check('a path with a placeholder', qr/is used literally/,
          $to->('"/sorry?why={result}"'));
    check('a path with a variable', qr/is used literally/,
          $to->('/$lang/sorry'));

    my $url = sub {
        my ($names, $fallback, $more) = @_;
        return server($names, "location /r/ { referral shop; $more
                               referral_fallback \"$fallback\"; }");
    };

    for my $fallback ('https://$host/x',
                      'https://{lang}.example.com/x',
                      'https://$host.example.com/x')
    {
        check("$fallback, and nothing is allowed",
              qr/"referral_fallback" has a variable.*"referral_allow"/,
              $url->('go.example.com', $fallback, ''), refused => 1);
        check("$fallback, and only the landing is",
              qr/"referral_fallback" has a.*"shop.example.com" alone/,
              $url->('go.example.com', $fallback, 'referral_cookie off;
                      referral_landing https://shop.example.com/;'));
        check("$fallback, which the landing's host may be", undef,
              $url->('go.example.com', $fallback, $land));
        check("$fallback, with hosts", undef,
              $url->('go.example.com', $fallback,
                     'referral_allow *.example.com;'));
    }

    check('a URL', undef,
          $url->('go.example.com', 'https://shop.example.net/?why={result}',
                 $land));
};


subtest 'the prefix' => sub {
    check("location $_", qr{location "\S+" takes every path that begins with it},
          server('go.example.com', short($_, 'shop')))
        for '/r', '^~ /r', '/go/r', '/R2';

    check("location $_", undef, server('go.example.com', short($_, 'shop')))
        for '/r/', '/', '/@', '/go-', '^~ /r/';
};


subtest 'the code' => sub {
    my $code = sub {
        my ($location, $code, $more) = @_;

        return server('go.example.com', ($more // '')
                      . "location $location { referral shop $code;\n"
                      . " referral_landing https://shop.example.com/;\n"
                      . " referral_cookie off; }");
    };

    check("location $_", qr{may match only the beginning of a code}, $code->($_, '$1'))
        for '~ ^/r/(\w+)', '~ ^/r/([a-z0-9]+)', '~ "^/r/([[:alnum:]]{1,64})"',
            '~* ^/r/([\w-]*)', '~ ^/r/(?<code>\d+)', '~ /r/(([A-Z]+))';

    check("location $_", undef, $code->($_, '$1'))
        for '~ ^/r/(.+)', '~ ^/r/(.*)$', '~ ^/r/(\w+)$', '~ ^/r/([^/]+)',
            '~ ^/r/([^]/]+)', '~ ^/r/(\S+)', '~ ^/(\w+)/r/', '~ ^/r/(a|b)',
            '~ ^/([a-z]+)/(.+)';

    check("location $_ without an expression", qr{"\$1" is empty here},
          $code->($_, '$1'))
        for '/r/', '= /r', '^~ /r/';

    check('an expression before it', undef,
          $code->('/r/', '$1', 'if ($uri ~ ^/r/(.+)$) { set $x 1; } '));
    check('a variable', undef, $code->('= /r', '$arg_code'));

    check('an exact one', undef,
          server('go.example.com', short('= /r', 'shop abc')));
    check('one with a code', undef,
          server('go.example.com', short('/r', 'shop $arg_c')));
};


subtest 'constants' => sub {
    my $in = sub { server('go.example.com', short('/r/', 'shop', @_)) };

    check("referral_exclude $_", qr/every click is excluded/,
          $in->("referral_exclude $_;"))
        for '1', 'on', '10.0.0.0/8', 'off';
    check("referral_exclude $_", undef, $in->("referral_exclude $_;"))
        for '0', '""', '$arg_x', '"a$arg_x"';

    check("referral_channel $_", qr/counts as "other"/,
          $in->("referral_channel $_;"))
        for '"A B"', 'x' x 33, 'ä';
    check("referral_channel $_", undef, $in->("referral_channel $_;"))
        for 'mail', '""', '$arg_ch';
};


subtest 'an offset beside a time zone' => sub {
    my @both = ('referral_timezone UTC;', 'referral_utc_offset +09:00;');

    for my $lines ("@both", "@both[1, 0]") {
        check("in a location: $lines",
              qr/"referral_utc_offset" has no effect beside "referral_timez/,
              server('go.example.com', short('/r/', 'shop', $lines)));
        check("in a server: $lines", qr/has no effect/,
              server('go.example.com', $lines . short('/r/', 'shop')));
    }

    check('one in the server, one nearer', undef,
          server('go.example.com', $both[0] . short('/r/', 'shop', $both[1])));
    check('the other way', undef,
          server('go.example.com', $both[1] . short('/r/', 'shop', $both[0])));
};


done_testing;
