# protects: what people copy: conf/referral.conf.example works as delivered,
# and what the pages of scripts/demo say is true

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Demo qw(demo);

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
        is(() = $order =~ /\x{2068}Aiko\x{2069}/g, 2, "$lang: thanks by name");
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

done_testing;
