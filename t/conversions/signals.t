# protects: signs of fraud that an event shows are found at the public intake,
# kept as answers alone, and innocents are paid

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);
use Time::HiRes qw(time);

my $t = Referral->new;
my $key = 'k' x 32;
my $settle = $ENV{TEST_SETTLE}
             // "$Referral::ROOT/build/nginx-referral-settle";
my $json = JSON::PP->new->canonical;
my $number = 0;

$t->write_file('shops', "shop main whsec_" . encode_base64($key, '') . "\n");
chmod 0600, "$t->{dir}/shops";

$t->config(
    http => 'referral_convert_keys %%DIR%%/shops; '
            . 'referral_geoip %%GEO%%/city.mmdb;',
    server => <<'END',
        referral_program shop;
        referral_landing "https://shop.example.com/";

        location /r/ {
            referral;
        }

        location /events {
            referral_convert;
        }
END
);

$t->link('shop', $_, referrer => $_) for qw(aiko ben);
$t->redis('HSET', 'ref:program:{shop}', 'rewards', <<'END');
unit=pt/0
rule=r on=sale each=order to=both give=10pt
fraud=fast_lead,country,mutual do=score:50
END
$t->start;


# one line and one browser for everybody: a family, an office, a carrier

sub click {
    my ($code) = @_;

    my ($id) = $t->get("/r/$code", from => '127.0.1.7')->header('Location')
               =~ /click_id=([^&]+)/;

    return $id;
}


sub say_event {
    my (%event) = @_;

    my $body = $json->encode({ event_id => 'e' . ++$number, %event });
    my $at = int time;
    my $mac = encode_base64(hmac_sha256("m.$at.$body", $key), '');

    my $r = $t->request('POST', '/events', body => $body, headers => [
        'Content-Type', 'application/json', 'webhook-id', 'm',
        'webhook-timestamp', $at, 'webhook-signature', "v1,$mac" ]);

    is($r->status, 200, "$event{type} of $event{customer}") or diag $r->body;

    return ($t->entries('ref:conversions:{shop}'))[-1]{signals};
}


# when a click was made says its id, in milliseconds

sub after {
    my ($id, $seconds) = @_;

    my $ms = hex(substr $id =~ s/-//gr, 0, 12) + 1000 * $seconds;

    return strftime('%Y-%m-%dT%H:%M:%S', gmtime($ms / 1000))
           . sprintf('.%03dZ', $ms % 1000);
}


sub sale {
    my ($who, %o) = @_;

    return say_event(type => 'sale', customer => $who, amount => 1000,
                     order_id => "o-$who", currency => 'EUR', %o);
}


my $id = click('aiko');
is(say_event(type => 'lead', customer => 'bot', click_id => $id,
             at => after($id, 1)), 'fast_lead', 'a second after the click');
sale('bot', at => after($id, 30));

$id = click('aiko');
is(sale('far', click_id => $id, country => 'DE'), 'country',
   'a click in Japan, a sale in Germany');

# a family and an office at one line, each with a click of their own

for my $who ('mum', 'kid', 'office') {
    $id = click('aiko');
    is(say_event(type => 'lead', customer => $who, click_id => $id,
                 at => after($id, 20)), '', "$who takes the time to sign up");
    is(sale($who, country => 'JP', at => after($id, 30)), '',
       'and buys in the country');
}

$id = click('aiko');
is(sale('ben', click_id => $id), '', 'aiko brings ben');
$id = click('ben');
is(sale('aiko', click_id => $id), 'mutual', 'ben brings aiko');
$id = click('ben');
is(sale('daughter', click_id => $id), '', 'and his daughter');

is(system("$settle --redis 127.0.0.1:$t->{redis_port} --once"
          . " > $t->{dir}/settle.log 2>&1"), 0, 'all is settled');

my $people = $t->hgetall('ref:person:{shop}');
my $review = $t->hgetall('ref:review:{shop}');
my %held = map { ((split ' ', $people->{$_})[0] => $_) } keys %$people;

is_deeply([ sort map { $held{$_} } keys %$review ], [ qw(aiko bot far) ],
          'those with a sign wait for a review, the innocent do not');
like($review->{(split ' ', $people->{bot})[0]}, qr/^\d+ 50 \S+ \S+ fast_lead$/,
     'with the score and the sign');
is($t->hgetall('ref:stats:{shop}')->{sales}, 8, 'and their sales count');

# ben as a friend and for his daughter

my %paid = (mum => 10, kid => 10, office => 10, ben => 20, daughter => 10);

for my $who (sort keys %paid) {
    my $n = (split ' ', $people->{$who})[0];

    is($t->hgetall("ref:wallet:{shop}:$n")->{'pt:available'}, $paid{$who},
       "$who is paid");
}

is_deeply([ grep { /signals/ } @{ $t->redis('KEYS', '*') } ], [],
          'the answers alone are kept');

$t->finish;
done_testing;
