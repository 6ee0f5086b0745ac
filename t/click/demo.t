# protects: what people copy: conf/referral.conf.example works as delivered,
# what the pages of scripts/demo say is true, and an order there gives friend
# and referrer what conf/programs/shop.rules says

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;
use Referral::Demo qw(demo shop);
use Referral::Settler;

my $root = $Referral::ROOT;


subtest 'the example, as delivered and with what it suggests' => sub {
    my $t = Referral->new;
    my $example = $t->read_file("$root/conf/referral.conf.example");

    # paths and ports of this test, nothing else

    $example =~ s{/etc/nginx/referral\.key}{%%DIR%%/key}g;
    $example =~ s{^referral_redis 127\.0\.0\.1:6379}
                 {referral_redis 127.0.0.1:%%REDIS_PORT%%}m;
    $example =~ s{/var/lib/nginx/referral max=1g}{%%DIR%%/journal max=1g}g;
    $example =~ s{/var/log/nginx/}{%%DIR%%/}g;
    $example =~ s{/var/www/shop}{%%DIR%%/html}g;
    $example =~ s{listen 80;}{listen 127.0.0.1:%%PORT%%;}g;

    for my $suggested (0, 1) {
        my $text = $example;

        if ($suggested) {
            $text =~ s{^(\s*)\# (referral_resolve on;|ssi on;)}{$1$2}mg;
            $text =~ s{^(\s*)\# (referral_forward_args on;)}{$1$2}mg;
        }

        my $u = $suggested ? Referral->new : $t;

        $u->write_file('html/index.html',
            "<!--# echo var='referral_name' --> "
            . "<!--# echo var='referral_code' -->\n");
        $u->program('shop', languages => 'en,ja');
        $u->link('shop', 'aiko7', referrer => 'aiko', name => 'Aiko');

        my ($said, $status) = $u->nginx_t(http => $text);

        is($status, 0, 'nginx -t takes it');
        unlike($said, qr/\[(?:warn|error|emerg)\]/, 'and has nothing to say');

        $u->config(http => $text);
        $u->start;

        # Redis may not be reached yet: then it is the default that leads

        wait_for {
            $u->head('/r/aiko7', host => 'go.example.com')->location
                =~ m{/en/};
        };

        my $r = $u->get('/r/aiko7', host => 'go.example.com');

        is($r->status, 302, 'a click');
        like($r->location, qr{^https://shop\.example\.com/en/welcome\?ref=aiko7},
             'is led to the shop');
        like($r->header('Set-Cookie'), qr/^ref_shop=.*; Domain=example\.com/,
             'with a cookie for both hosts');

        my $page = $u->get('/', host => 'shop.example.com',
                           cookie => $r->cookie)->body;

        is($page, "Aiko aiko7\n", 'the page knows who shared the link')
            if $suggested;

        $u->finish;
    }
};


# the demo's pages behind a short link, as scripts/demo has them

subtest 'the pages of the demo' => sub {
    my $t = Referral->new;
    demo($t, 1);        # these pages need no shop

    $t->link('juniper', 'aiko7', referrer => 'aiko', name => 'Aiko');
    $t->link('juniper', 'plain', referrer => 'aiko');
    $t->link('juniper', 'over', name => 'Aiko', ends => '2024-08-31');
    $t->link('juniper', 'soon', name => 'Aiko', starts => '2099-01-01');
    $t->link('juniper', 'off', name => 'Aiko', state => 'disabled');
    $t->start;

    my $page = sub {
        my ($code, $lang) = @_;
        my $r = $t->get("/r/$code", host => '127.0.0.1', lang => $lang);
        my ($uri) = $r->location =~ m{^http://127\.0\.0\.1:\d+(/.*)};
        my $cookie = $r->set_cookie ? $r->cookie : '';

        utf8::decode(my $body = $t->get($uri, host => '127.0.0.1',
                                        cookie => $cookie)->body);
        utf8::decode(my $order = join '', map {
            $t->get("/$lang/$_", host => '127.0.0.1', cookie => $cookie)->body
        } qw(order thanks?way=server));

        return ($body, $order);
    };

    my %gift = (
        en => qr/gift|friend/i, ja => qr/ギフト(?!はありません)|贈りもの|お友だち/,
        pt => qr/presente(?!\.)|amigo/, de => qr/Geschenk(?!\.)|Freund/,
    );

    my %why = (over => qr/over/, soon => qr/not begun/,
               off => qr/does not hold/, nope => qr/do not know/);

    for my $lang (sort keys %gift) {
        my ($body, $order) = $page->('aiko7', $lang);

        like($body, qr/\x{2068}Aiko\x{2069}/, "$lang: greets by name");
        like($body, $gift{$lang}, "$lang: with a gift");
        is(() = $order =~ /\x{2068}Aiko\x{2069}/g, 3,
           "$lang: thanks by name, and heads the rewards with it");
        unlike($body . $order, qr/\(none\)|<(h[123]|button|span|p)\b[^>]*>\s*<\/\1>/,
               "$lang: and each text is there");
        unlike($body, qr/class="why"/, "$lang: with nothing to explain");

        ($body) = $page->('plain', $lang);
        like($body, $gift{$lang}, "$lang: a link without a name");

        for my $code (sort keys %why) {
            ($body, $order) = $page->($code, $lang);

            # words that are shown

            $body =~ s{<(svg|dl)\b.*?</\1>}{}gs;

            like($body, qr/class="why"/, "$lang: $code: says why");
            like($body, $why{$code}, "$lang: $code: in words")
                if $lang eq 'en';
            unlike($body, $gift{$lang}, "$lang: $code: promises no gift");
            unlike($order, qr/Aiko/, "$lang: $code: the order thanks nobody");
        }

        utf8::decode($body = $t->get("/$lang/classic",
                                     host => '127.0.0.1')->body);
        $body =~ s{<(svg|dl)\b.*?</\1>}{}gs;

        unlike($body, $gift{$lang}, "$lang: nobody invited: no gift");
        unlike($body, qr/class="why"/, "$lang: nobody invited: no reason");
    }
};

subtest 'an order rewards both' => sub {
    my $t = Referral->new;
    my $port = $t->free_port;

    demo($t, $port);
    $t->program('juniper', languages => 'en,ja,pt,de');
    $t->link('juniper', 'aiko7', referrer => 'aiko', name => 'Aiko');
    $t->start;
    shop($t, $port);

    my $settler = Referral::Settler->start($t);

    Referral::Cli->begin($t);
    is(r('referrer', 'set', 'juniper', 'aiko', '--name', 'Aiko'), 0,
       'the program knows who refers');
    is(r('rewards', 'set', 'juniper', "$root/conf/programs/shop.rules"), 0,
       'and has the rules') or diag($err);

    my $page = sub {
        my ($method, $uri, $cookie, $body) = @_;

        return $t->request($method, $uri, host => '127.0.0.1',
            cookie => $cookie, defined $body ? (body => $body, headers =>
                [ 'Content-Type', 'application/x-www-form-urlencoded' ]) : ());
    };

    # all cells of the table of wallets: states in words, and amounts

    my $cells = sub {
        my ($text) = @_;

        utf8::decode(my $body = $text);
        my ($table) = $body =~ m{<table class="wallets"(.*?)</table>}s;

        return join '|', ($table // '') =~ m{<t[hd][^>]*>([^<]*)</t[hd]>}g;
    };

    my $friends = 0;

    for my $way (qw(server answer code)) {
        my $click = $way eq 'code' ? '' : $t->get('/r/aiko7',
                                        host => '127.0.0.1')->cookie;

        my $order = $page->(GET => '/en/order', $click);
        my ($account) = $order->head =~ /^Set-Cookie: (account=[0-9a-f]{32});/mi;
        my ($id) = $order->body =~ /name="order" value="([0-9a-f]{32})"/;
        my $cookie = join '; ', $click || (), $account;

        my $r = $page->(POST => '/en/buy', $cookie, "way=$way&order=$id"
                        . ($way eq 'code' ? '&code=aiko7' : ''));
        my ($thanks) = $r->header('Location') =~ m{^(?:http://[^/]+)?(/.*)};

        like($thanks, qr{^/en/thanks}, "$way: ordered");
        $friends++;

        my $name = $way eq 'code' ? 'aiko' : "\x{2068}Aiko\x{2069}";
        my $want = "Reward|You|$name|Waiting||${friends}0.00\x{a0}€"
                   . "|To use|10.00\x{a0}€|";
        my $got;

        wait_for {
            ($got = $cells->($page->(GET => $thanks, $cookie)->body)) eq $want
        };

        is($got, $want, "$way: the page has what both have");

        my $wallet = j('wallet', 'show', 'juniper', 'c-' . substr $account, 8);

        is_deeply($wallet->{balances}, { EUR => { balances(available => 1000) } },
                  "$way: the friend's wallet");
        is_deeply(j('wallet', 'show', 'juniper', 'aiko')->{balances},
                  { EUR => { balances(pending => 1000 * $friends) } },
                  "$way: the referrer's wallet");
    }

    is($cells->($page->(GET => '/en/thanks?way=code&of=nobody', '')->body),
       'Reward|You|nobody|Waiting|||To use||', 'of people who have nothing');
    unlike($page->(GET => '/en/thanks?way=code', '')->body, qr/wallets/,
           'without a referrer there are none to show');
    is($page->(GET => '/en/wallets/', '')->status, 404, 'whose wallets?');

    is(r('ledger', 'audit', 'juniper'), 0, 'the ledger is right')
        or diag($out, $err);
    is($t->read_file('shop.log'), '', 'the shop has nothing to complain of');

    $settler->stop;
};

done_testing;


# as "wallet show" has them: each account, 0 if it is empty

sub balances {
    my (%has) = @_;

    return map { $_ => $has{$_} // 0 }
           qw(pending available reserved spent expired cancelled
              written_off);
}
