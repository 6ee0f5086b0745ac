# protects: places of visitors: several databases, a reload of one while
# running, clients without an address, and files that are no databases

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use File::Copy qw(copy move);
use IO::Socket::UNIX;

my $t = Referral->new;

my $server = <<'END';
        listen unix:%%DIR%%/nginx.sock;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;

        referral_landing https://shop.example.com/;
        referral_landing_args off;
        referral_allow shop.example.com;

        location /r/ {
            referral shop;
        }

        location /where {
            return 200 "$referral_country|$referral_region|$referral_city|$referral_asn";
        }
END

my $city = $t->dir . '/my-city.mmdb';

copy($t->geo . '/city.mmdb', $city) or die "copy: $!";

$t->link('shop', 'x', rules => <<'END', landing => 'https://shop.example.com/');
country=JP region=JP-13 https://shop.example.com/tokyo
country=JP https://shop.example.com/japan
country=BR https://shop.example.com/{country}
END

$t->config(http => "referral_geoip $city %%GEO%%/asn.mmdb reload=1s;",
           server => $server);
$t->start;

sub where { my ($from, @o) = @_; $t->get('/where', from => $from, @o)->body }

sub real {
    my ($address) = @_;
    return $t->get('/where', headers => [ 'X-Real-IP' => $address ])->body;
}

is(where('127.0.1.9'), 'JP|JP-13|Tokyo|64501', 'a city and a network');
like(where('127.0.2.9'), qr/^BR\|BR-SP\|S\xc3\xa3o Paulo\|64502$/,
     'in UTF-8');
is(where('127.0.7.9'), 'FR|||', 'a country alone');
is(where('127.0.8.9'), '|||', 'a record without a country');
is(where('127.0.9.9'), '|||4200000001', 'a network of four bytes');
is(where('127.0.77.9'), '|||', 'an address that no file knows');

is(real('2001:db8:1::5'), 'JP|JP-13|Tokyo|64501', 'IPv6');
is(real('::ffff:127.0.3.1'), 'DE|DE-BE|Berlin|64503',
   'IPv4, mapped into IPv6');
is(real('2001:db8:ffff::5'), '|||', 'IPv6 that no file knows');
is(real('203.0.113.9'), 'JP|JP-27|Osaka|', "the address is realip's");

is($t->get('/r/x', from => '127.0.1.9')->location,
   'https://shop.example.com/tokyo', 'rules by region');
is($t->get('/r/x', headers => [ 'X-Real-IP' => '203.0.113.9' ])->location,
   'https://shop.example.com/japan', 'and by country');
is($t->get('/r/x', from => '127.0.2.9')->location,
   'https://shop.example.com/BR', 'in a template');

my $unix = IO::Socket::UNIX->new(Peer => $t->dir . '/nginx.sock')
    or die "unix: $!";

is($t->get('/where', connection => $unix)->body, '|||',
   'a client of a unix socket is nowhere');

$unix = IO::Socket::UNIX->new(Peer => $t->dir . '/nginx.sock');

is($t->get('/r/x', connection => $unix)->location,
   'https://shop.example.com/', 'and is served');

$t->stats_are('shop', { clicks => 4, 'country:JP' => 2, 'country:BR' => 1 },
              'countries are counted');


# The file changes under nginx's feet.  A rename is the proper way; a cp over
# it and a truncation are what happens.

move($t->geo . '/v4.mmdb', $city) or die "move: $!";

ok(wait_for { real('2001:db8:1::5') eq '|||64501' },
   'a new file is taken up without a reload');

my $before = where('127.0.1.9');

truncate $city, 100 or die "truncate: $!";

select undef, undef, undef, 2.5;

is(where('127.0.1.9'), $before, 'a truncated file harms nobody');
is(where('127.0.3.9') =~ /DE/, 1, 'and the old one goes on');

$t->write_file('my-city.mmdb', "\xab\xcd\xefMaxMind.com" x 100);
select undef, undef, undef, 2.5;
is(where('127.0.1.9'), $before, 'nor does rubbish');

unlink $city;
select undef, undef, undef, 1.5;
is(where('127.0.1.9'), $before, 'nor one that is gone');

copy($t->geo . '/city.mmdb', $city) or die "copy: $!";
ok(wait_for { where('127.0.7.9') eq 'FR|||' && real('2001:db8:1::5')
              eq 'JP|JP-13|Tokyo|64501' }, 'and a good one is taken again');

like($t->log, qr/my-city\.mmdb/, 'the log has said which file was bad');

ok(scalar($t->workers) == 1 && $t->log !~ /exited on signal/,
   'no worker died of it');


# odd records

$t->reload(http => 'referral_geoip %%GEO%%/odd.mmdb;', server => $server);

for my $i (0 .. 20) {
    my $r = $t->get('/where', from => "127.0.$i.9");

    like($r->body, qr/^(?:[A-Z]{2})?\|(?:[A-Z0-9-]{1,8})?\|[^|\x00-\x1f]*\|\d*$/,
         "an odd record ($i) is a place or none");
}


# texts at the top, and a file of which nothing is understood

$t->reload(http => 'referral_geoip %%GEO%%/flat.mmdb;', server => $server);

is(where('127.0.1.9'), 'JP|||64501', 'a country and a network');
is(where('127.0.2.9'), "BR|BR-SP|S\xc3\xa3o Paulo|64502", 'and a place');
is($t->get('/r/x', from => '127.0.1.9')->location,
   'https://shop.example.com/japan', 'rules by country');

{
    my ($output, $status) = $t->nginx_t(
        http => 'referral_geoip %%GEO%%/flat.mmdb %%GEO%%/other.mmdb;',
        server => $server);

    is($status, 0, 'what is not understood is taken');
    like($output, qr/\[warn\].*other\.mmdb.*"country_code"/,
         'and said, with what would be right');
    unlike($output, qr/flat\.mmdb/, 'of that file alone');
}


# at the start a file must be there

for my $case ([ '/nonexistent.mmdb', qr/nonexistent\.mmdb/ ],
              [ '%%DIR%%/key', qr/key/ ], [ '%%DIR%%', qr/./ ])
{
    my ($path, $re) = @$case;
    my ($output, $status) = $t->nginx_t(http => "referral_geoip $path;",
                                        server => $server);

    is($status, 1, "$path is refused");
    like($output, qr/\[emerg\].*geoip.*$re/, 'and named');
}

done_testing;
