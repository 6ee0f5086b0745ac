# protects: the short link: codes, states and dates, which landing is chosen,
# what is added to it, and requests that get no redirect

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use POSIX qw(strftime);

my $t = Referral->new;

$t->config(
    http => 'referral_geoip %%GEO%%/city.mmdb;',
    server => <<'END',
        referral_landing "https://shop.example.com/{lang}/welcome";
        referral_allow shop.example.com *.shop.example.com;
        referral_landing_args off;

        location /r/ {
            referral shop;
            referral_fallback "https://shop.example.com/?why={result}";
        }

        # without a fallback: 404
        location /n/ {
            referral shop;
        }

        location /bare {
            referral shop;
        }

        location /local/ {
            referral shop;
            referral_fallback /sorry.html;
        }

        location /named/ {
            referral shop;
            referral_fallback @named;
        }

        location @named {
            return 200 "named $referral_result";
        }

        location /args/ {
            referral shop;
            referral_landing_args "ref={code}&click_id={click_id}&c={country|zz}";
        }

        location /forward/ {
            referral shop;
            referral_landing_args "ref={code}";
            referral_forward_args on;
        }

        location /sensitive/ {
            referral shop;
            referral_code_case sensitive;
        }

        location /303/ {
            referral shop;
            referral_status 303;
        }

        location /307/ {
            referral shop;
            referral_status 307;
        }

        location /channel/ {
            referral shop;
            referral_channel $arg_ch;
            referral_landing_args "ch={channel}";
        }

        location /variable/ {
            referral shop;
            referral_landing "https://shop.example.com/$arg_page?v={code}";
        }

        location = /poster {
            referral shop poster;
        }

        location ~ ^/go/(?<who>.*)$ {
            referral shop $who;
        }

        location / {
        }
END
);

$t->write_file('html/sorry.html', "sorry\n");

my $shop = 'https://shop.example.com';

$t->program('shop', languages => 'en,ja,pt', state => 'active');

$t->link('shop', 'plain', referrer => 'aiko');
$t->link('shop', 'own', landing => "$shop/own?a=1#top");
$t->link('shop', 'poster', landing => "$shop/poster");

$t->start;


subtest 'the answer itself' => sub {
    my $r = $t->get('/r/plain');

    is($r->status, 302, 'a found link is a 302');
    is($r->location, "$shop/en/welcome", 'to the configured landing');
    is($r->body, '', 'an empty body');
    is($r->header('Content-Length'), 0, 'which says so');
    is($r->header('Cache-Control'), 'no-store',
       'nobody may keep a redirect: clicks would vanish');
    ok($r->cookie('ref_shop'), 'with a cookie');
    is($r->header('Content-Type') // '', '', 'no type for no body');

    $r = $t->head('/r/plain');

    is($r->status, 302, 'HEAD is answered alike');
    is($r->location, "$shop/en/welcome", 'with the same landing');
    is($r->cookie('ref_shop'), '', 'and sets no cookie');

    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        $r = $t->request($method, '/r/plain', body => 'x=1');
        is($r->status, 405, "$method is refused");
    }

    is($t->get('/303/plain')->status, 303, 'another status if so configured');
    is($t->get('/307/plain')->status, 307, 'and another');

    $r = $t->get('/r/plain', body => 'x' x 100);
    is($r->status, 302, 'a body is thrown away');

    my $c = $t->connect;

    for (1 .. 3) {
        $r = $t->get('/r/plain', connection => $c, keepalive => 1,
                     body => 'y' x 50);
        is($r && $r->status, 302, 'the connection stays good');
    }
};


subtest 'codes' => sub {
    my $found = sub {
        my ($uri, $what) = @_;
        is($t->get($uri)->location, "$shop/own?a=1#top", $what);
    };

    my $unknown = sub {
        my ($uri, $what) = @_;
        my $r = $t->get($uri);
        is($r->status, 302, "$what: answered");
        is($r->location, "$shop/?why=unknown", "$what: unknown");
        is($r->header('Cache-Control'), 'no-store', "$what: not kept");
        is($r->cookie, '', "$what: no cookie");
    };

    $found->('/r/own', 'as it is');
    $found->('/r/OWN', 'capitals are looked up in lower case');
    $found->('/r/own/', 'a slash that somebody added');
    $found->('/r/own.', 'a full stop');
    $found->('/r/own),', 'a bracket and a comma');
    $found->('/r/own!%22', 'a quotation mark');
    $found->('/r/own%E3%80%82', 'text in another alphabet, glued to it');
    $found->('/r/own%E3%81%A7%E3%81%99x', 'and more of it');
    $found->('/r/%6f%77%6e', 'percent-encoded');
    $found->('/r/own?x=1', 'with arguments');

    $unknown->('/r/', 'no code');
    $unknown->('/r/nobody', 'a code that nobody has');
    $unknown->('/r/own/more', 'a path');
    $unknown->('/r/own+', 'the reserved preview');
    $unknown->('/r/own.svg', 'the reserved image');
    $unknown->('/r/' . 'a' x 65, 'too long');
    $unknown->('/r/...', 'dots');
    $unknown->('/r/*', 'a star');
    $unknown->('/r/%7Bshop%7D:own', 'a piece of a key');

    # what is cut off: t/unit/test_code.c has the rest

    $found->("/r/own$_", "glued to it: $_")
        for ',and',
            qw(%20 %0A %20and%20more %C2%A0 %E3%80%80 %E2%80%8B %F0%9F%8E%89
               %E3%81%A7%E3%81%99 %EC%9E%85%EB%8B%88%EB%8B%A4 %22%3E &utm=x
               %3Futm=x %3Futm=x?utm=y %2520 's /& %EF%BC%89);
    $found->("/r/${_}own", "before it: $_")
        for qw(%20 %0D%0A %E2%80%8B %EF%BB%BF %E3%80%80 %E2%80%8E);
    $found->('/r/o%C2%ADwn', 'a hyphen that is not seen');
    $found->("/r/$_", "another width: $_")
        for qw(%EF%BD%8F%EF%BD%97%EF%BD%8E ow%EF%BD%8E ow%F0%9D%90%A7);

    # never the code that a word begins with

    $unknown->("/r/own$_", "a letter is no glue: $_")
        for qw(%C3%A9 e%CC%81 %CC%81 %D0%B0 %CE%B1 %EF%BC%97 %D9%A7 %C2%B2
               %C3 %25C3%25A9 %E2%80%937 %EF%BF%BD);
    $unknown->('/r/%D0%BEwn', 'nor before it');
    $unknown->("/r/own$_", "reserved: $_")
        for qw(.png .SVG .svg. %2B %2B. /%C3%A9);

    is($t->get('/go/poster%E3%80%82')->location, "$shop/poster",
       'text glued to the code of a variable');
    is($t->get('/go/poster%C3%A9')->status, 404, 'and a letter');

    is($t->get('/n/nobody')->status, 404, 'unknown without fallback is 404');

    is($t->get("/bare$_")->status, 302, "a location without a slash: /bare$_")
        for '/plain', 'plain', '//plain';
    is($t->get("/bare$_")->status, 404, "and no code: /bare$_") for '', '/';
    is($t->get('/local/nobody')->body, "sorry\n", 'a page as fallback');
    is($t->get('/named/nobody')->body, 'named unknown',
       'a named location as fallback, and it knows why');

    is($t->get('/poster')->location, "$shop/poster",
       'a code in the configuration');
    is($t->get('/go/poster')->location, "$shop/poster", 'or a variable');
    is($t->get('/go/nobody')->status, 404, 'which may be unknown');

    $t->link('shop', 'Mixed', landing => "$shop/mixed");
    $t->link('shop', 'mixed', landing => "$shop/lower");

    is($t->get('/sensitive/Mixed')->location, "$shop/mixed",
       'case counts where it is configured');
    is($t->get('/r/Mixed')->location, "$shop/lower", 'and not elsewhere');

    my $code = 'a-Z_' . '0' x 60;
    $t->link('shop', lc $code, landing => "$shop/long");
    is($t->get("/r/$code")->location, "$shop/long", '64 are not too long');
};


subtest 'who chooses the landing' => sub {
    my $goes = sub {
        my ($code, $where, $what, @o) = @_;
        is($t->get("/r/$code", @o)->location, $where, $what);
    };

    $t->link('shop', 'ruled', landing => "$shop/link", rules => <<END);
# comments and empty lines are nothing

country=JP lang=ja $shop/japan-ja
country=JP $shop/japan
country=!US,!BR device=mobile os=ios $shop/iphone-abroad
device=mobile $shop/{os}/{device}
END

    my $iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) '
        . 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 '
        . 'Mobile/15E148 Safari/604.1';
    my $android = 'Mozilla/5.0 (Linux; Android 14; Pixel 8) '
        . 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 '
        . 'Mobile Safari/537.36';

    $goes->('ruled', "$shop/link", 'no rule holds');
    $goes->('ruled', "$shop/japan", 'a country', from => '127.0.1.7');
    $goes->('ruled', "$shop/japan-ja", 'a country and a language',
            from => '127.0.1.7', lang => 'ja,en;q=0.5');
    $goes->('ruled', "$shop/link", 'the language alone is not enough',
            lang => 'ja');
    $goes->('ruled', "$shop/iphone-abroad", 'a negated country',
            from => '127.0.3.7', ua => $iphone);
    $goes->('ruled', "$shop/ios/mobile", 'which does not hold',
            from => '127.0.2.7', ua => $iphone);
    $goes->('ruled', "$shop/android/mobile", 'values in the template',
            ua => $android);

    $t->program('shop', languages => 'en,ja,pt',
                rules => "country=BR as=brasil $shop/br\n",
                landing => "$shop/program/{lang}");

    $goes->('ruled', "$shop/link", 'the link comes before the program',
            from => '127.0.2.7');
    $goes->('plain', "$shop/br", "then the program's rules",
            from => '127.0.2.7');
    $goes->('plain', "$shop/program/pt", "then its landing",
            lang => 'pt-BR,en;q=0.3');
    $goes->('plain', "$shop/program/en", "the program's first language",
            lang => 'fi');

    $t->link('shop', 'noland', rules => "country=JP $shop/jp");
    $goes->('noland', "$shop/program/en",
            'a link with rules that do not hold has no say');

    $t->link('shop', 'badrule', rules => "country=JP $shop/jp\n"
             . "colour=red $shop/red\nlang=en $shop/good",
             landing => "$shop/x");
    $goes->('badrule', "$shop/good", 'a bad rule is passed over');

    $t->program('shop', languages => 'en,ja,pt');
    $goes->('plain', "$shop/pt/welcome", 'an edit is live', lang => 'pt');

    $t->link('shop', 'ab', rules => "bucket=0-49 as=a $shop/a\n"
                                  . "bucket=50-99 as=b $shop/b");

    my %seen;

    for (1 .. 60) {
        $seen{ $t->get('/r/ab')->location // '' }++;
    }

    is(join(' ', sort keys %seen), "$shop/a $shop/b",
       'an A/B test has an A and a B');
    ok($seen{"$shop/a"} > 10 && $seen{"$shop/b"} > 10, 'of about the same size');

    my $r = $t->get('/r/ab');
    my $same = 1;

    for (1 .. 10) {
        $same &= $t->get('/r/ab', cookie => $r->cookie)->location
                 eq $r->location;
    }

    ok($same, 'and who comes again gets the same');

    is($t->get('/variable/plain?page=sale')->location, "$shop/sale?v=plain",
       'nginx variables in a configured landing');
};


subtest 'states and dates' => sub {
    my $why = sub {
        my ($code, $result, $what, %fields) = @_;
        $t->link('shop', $code, landing => "$shop/l", %fields);
        is($t->get("/r/$code")->location,
           $result eq 'landing' ? "$shop/l" : "$shop/?why=$result", $what);
    };

    my $yesterday = strftime '%Y-%m-%d', gmtime time - 86400;
    my $today = strftime '%Y-%m-%d', gmtime;
    my $tomorrow = strftime '%Y-%m-%d', gmtime time + 86400;
    my $hour = strftime '%Y-%m-%dT%H:%MZ', gmtime time + 3600;

    $why->('s1', 'landing', 'active', state => 'active');
    $why->('s2', 'disabled', 'disabled', state => 'disabled');
    $why->('s3', 'disabled', 'a state that is none: the safe choice',
           state => 'enabled');
    $why->('s4', 'ended', 'ended yesterday', ends => $yesterday);
    $why->('s5', 'landing', 'ends today: through its last second',
           ends => $today);
    $why->('s6', 'not_started', 'starts tomorrow', starts => $tomorrow);
    $why->('s7', 'landing', 'started today', starts => $today);
    $why->('s8', 'not_started', 'a time with a zone', starts => $hour);
    $why->('s9', 'not_started', 'a bad start has not come',
           starts => 'soon');
    $why->('s10', 'ended', 'a bad end is over', ends => '2026-13-45');

    $t->program('rest', state => 'paused');
    $t->program('over', ends => $yesterday);
    $t->program('later', starts => $tomorrow);
    $t->program('east', utc_offset => '+14:00', starts => $tomorrow);

    # a program by variable; with a reload, so that it is tested as well

    $t->reload(server => <<'END');
        location ~ ^/p/(?<p>[^/]+)/(?<c>.*)$ {
            referral $p $c;
            referral_landing https://shop.example.com/w;
            referral_landing_args off;
            referral_fallback "https://shop.example.com/?why={result}";
        }
END

    for my $case ([qw(rest paused)], [qw(over ended)],
                  [qw(later not_started)])
    {
        my ($program, $result) = @$case;

        $t->link($program, 'x', referrer => 'r');
        is($t->get("/p/$program/x")->location, "$shop/?why=$result",
           "a program that is $result");
    }

    # fourteen hours east it is tomorrow from 10:00 UTC on

    $t->link('east', 'x', referrer => 'r');

    my $r = $t->get('/p/east/x');

    is($r->location, (gmtime)[2] >= 10 ? "$shop/w" : "$shop/?why=not_started",
       "dates are of the program's zone");

    is($t->get('/p/nowhere/x')->location, "$shop/?why=unknown",
       'a program that nobody made');
    is($t->get('/p/BAD%20NAME/x')->location, "$shop/?why=unknown",
       'a program that is no name');

    $t->link('loose', 'x', referrer => 'r');
    is($t->get('/p/loose/x')->location, "$shop/w",
       'a program that has only a link');
};


subtest 'arguments' => sub {
    $t->reload(server => <<'END');
        referral_landing "https://shop.example.com/{lang}/welcome";
        referral_allow shop.example.com *.shop.example.com;

        location /args/ {
            referral shop;
            referral_landing_args "ref={code}&click_id={click_id}&c={country|zz}";
        }

        location /forward/ {
            referral shop;
            referral_landing_args "ref={code}";
            referral_forward_args on;
        }

        location /channel/ {
            referral shop;
            referral_channel $arg_ch;
            referral_landing_args "ch={channel}";
        }

        location /r/ {
            referral shop;
            referral_landing_args off;
        }
END

    my $r = $t->get('/args/own');

    is($r->arg('ref'), 'own', 'the code goes along');
    like($r->arg('click_id'),
         qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
         'and the click id, a UUIDv7');
    is($r->arg('c'), 'zz', 'a default for what is empty');
    like($r->location, qr/\?a=1&ref=own&.*#top$/, 'before the fragment');

    $t->link('shop', 'taken', landing => "$shop/?ref=mine&x");
    is($t->get('/args/taken')->arg('ref'), 'mine',
       "never in the place of the landing's own");

    $t->link('shop', 'without', landing => "$shop/w", landing_args => 'off');

    is($t->get('/forward/own?utm_source=x&ref=evil&a=2')->location,
       "$shop/own?a=1&ref=own&utm_source=x#top",
       "the visitor's arguments go along, and replace nothing");

    is($t->get('/forward/own?promo=&gclid=1')->location,
       "$shop/own?a=1&ref=own&promo=&gclid=1#top", 'as they came');
    is($t->get('/forward/own?%72ef=evil&r.ef=2&ref[]=evil&+ref=evil&x;ref=evil'
               . '&r%65f=evil&ref%5B%5D=evil&%61=2&u=1')->location,
       "$shop/own?a=1&ref=own&r.ef=2&u=1#top",
       'and never one of ours under another name');

    $t->link('shop', 'encoded', landing => "$shop/?r%65f=mine");
    is($t->get('/args/encoded')->arg('ref') // '', '',
       "ours do not replace the landing's either");

    is($t->get('/channel/plain?ch=mail')->arg('ch'), 'mail', 'a channel');
    is($t->get('/channel/plain?ch=Mail')->arg('ch'), 'mail', 'with a capital');
    is($t->get('/channel/plain?ch=%22%3E')->arg('ch'), 'other',
       'a channel that is none');

    $t->link('shop', 'print', channel => 'print');
    is($t->get('/channel/print')->arg('ch'), 'print', "the link's channel");
    is($t->get('/channel/print?ch=qr')->arg('ch'), 'qr',
       "the request's comes first");

    $t->link('shop', 'names', name => "Zo\xc3\xab & <b>\"x\"</b> #?=",
             landing => "$shop/?n={name}&who={referrer|nobody}");
    is($t->get('/channel/names')->location,
       "$shop/?n=Zo%C3%AB%20%26%20%3Cb%3E%22x%22%3C%2Fb%3E%20%23%3F%3D"
       . '&who=names',
       'what stands in Redis is escaped');

    is($r->cookie('ref_shop') ne '', 1, 'with the cookie');

    $r = $t->get('/args/plain', ua => 'Googlebot/2.1');
    is($r->arg('click_id') // '', '', 'a machine has no click id');
    is($r->cookie, '', 'and no cookie');
};

subtest 'landings as people write them' => sub {
    my %goes = (
        "$shop/caf\xc3\xa9" => "$shop/caf%C3%A9",
        "$shop/\xe5\x95\x86\xe5\x93\x81?q=\xe6\x8a\xb9"
            => "$shop/%E5%95%86%E5%93%81?q=%E6%8A%B9",
        "$shop/price list.pdf" => "$shop/price%20list.pdf",
        'https://my_shop.shop.example.com/x'
            => 'https://my_shop.shop.example.com/x',
    );

    my $i = 0;

    for my $landing (sort keys %goes) {
        $t->link('shop', 'written' . ++$i, landing => $landing);
        is($t->get("/r/written$i")->location, $goes{$landing}, $landing);
    }

    $t->link('shop', 'ruled2', rules => "lang=en $shop/\xc3\xa9\n");
    is($t->get('/r/ruled2')->location, "$shop/%C3%A9", 'in a rule');

    $t->link('shop', 'idn', landing => "https://caf\xc3\xa9.example.com/");
    is($t->get('/r/idn')->location, "$shop/en/welcome", 'a host is no path');
    wait_for { $t->log =~ /Punycode/ };
    like($t->log, qr/"landing": .* Punycode, "xn--/, 'and the log says how');

    # the click id is kept, however long the landing

    for my $long (1985, 2000, 2030, 2048) {
        my $landing = "$shop/" . 'x' x ($long - length "$shop/");

        $t->link('shop', "long$long", landing => $landing);

        my $r = $t->get("/args/long$long");
        is(substr($r->location, 0, $long), $landing, "$long bytes");
        is(length($r->arg('click_id') // ''), 36, 'with the click id');
    }

    unlike($t->log, qr/without some of its arguments/, 'all had room');

    $t->link('shop', 'cut', landing => "$shop/" . 'x' x 2000,
             landing_args => 'n={name}&m={name}&o={name}&ref={code}',
             name => "\xe6\x84\x9b" x 42);
    is($t->get('/r/cut')->arg('ref'), 'cut', 'what has room goes along');
    wait_for { $t->log =~ /without some of its arguments/ };
    like($t->log, qr/landing of code "cut" of program "shop" goes without/,
         'and the log says it of the rest');
};


done_testing;
