#!/usr/bin/perl

# Writes small .mmdb files for tests and the demo.
#
#   perl t/lib/mmdb.pl DIR
#
# city.mmdb   places, IPv4 and IPv6; parts of 127.0.0.0/8 pose as countries,
#             so that a client on the loopback can come from anywhere
# asn.mmdb    networks, for the same addresses
# v4.mmdb     places, of a database that knows IPv4 only
# odd.mmdb    records that are no places, and places with bad values
# flat.mmdb   places and networks as texts at the top, as IPinfo Lite has them
# old.mmdb    the same with the code as "country"
# number.mmdb networks as numbers under "asn", with the country they are of
# other.mmdb  records of which nothing is understood

use strict;
use warnings;

use File::Spec;
use MaxMind::DB::Writer::Tree;

@ARGV == 1 && -d $ARGV[0] or die "usage: $0 DIRECTORY\n";

my $dir = $ARGV[0];

my %types = (
    as_name                        => 'utf8_string',
    asn                            => 'utf8_string',
    autonomous_system_number       => 'uint32',
    autonomous_system_organization => 'utf8_string',
    city                           => 'map',
    code                           => 'uint32',
    continent                      => 'map',
    continent_code                 => 'utf8_string',
    country_code                   => 'utf8_string',
    region_code                    => 'utf8_string',
    country                        => 'map',
    iso_code                       => 'utf8_string',
    names                          => 'map',
    subdivisions                   => [ 'array', 'map' ],
    en                             => 'utf8_string',
    ja                             => 'utf8_string',
);

my @places = (
    [ '127.0.1.0/24', place('JP', '13', 'Tokyo', "\x{6771}\x{4eac}") ],
    [ '127.0.2.0/24', place('BR', 'SP', "S\x{e3}o Paulo") ],
    [ '127.0.3.0/24', place('DE', 'BE', 'Berlin') ],
    [ '127.0.4.0/24', place('US', 'CA', 'San Francisco') ],
    [ '127.0.5.0/24', place('GB', 'ENG', 'London') ],
    [ '127.0.6.0/24', place('KR', '11', 'Seoul') ],
    [ '127.0.7.0/24', place('FR') ],
    [ '127.0.8.0/24', { continent => { names => { en => 'Europe' } } } ],
    [ '203.0.113.0/24', place('JP', '27', 'Osaka') ],
);

my @places6 = (
    [ '2001:db8:1::/48', place('JP', '13', 'Tokyo') ],
    [ '2001:db8:2::/48', place('BR', 'RJ', 'Rio de Janeiro') ],
);

my @networks = (
    [ '127.0.1.0/24', network(64501, 'Example Tokyo') ],
    [ '127.0.2.0/24', network(64502, "Exemplo S\x{e3}o Paulo") ],
    [ '127.0.3.0/24', network(64503, 'Beispiel Berlin') ],
    [ '127.0.9.0/24', network(4200000001, 'Four Bytes') ],
    [ '2001:db8:1::/48', network(64501, 'Example Tokyo') ],
);

my @odd = (
    [ '127.0.1.0/24', place('jp', '13', 'Tokyo') ],
    [ '127.0.2.0/24', place('BRA', 'SP', 'Sao Paulo') ],
    [ '127.0.3.0/24', place('DE', 'be', "Ber\nlin") ],
    [ '127.0.4.0/24', place('US', 'CALI', "\x{9b}31mSan Francisco") ],
    [ '127.0.5.0/24', place('GB', '', '') ],
    [ '127.0.6.0/24', place('KR', '11', "\x{c11c}\x{c6b8}" x 20) ],
    [ '127.0.7.0/24', place('FR', '75C', 'x' x 300) ],
    [ '127.0.8.0/24', place('J%', '1/', "Tokyo\x7f") ],
    [ '127.0.9.0/24', { country => { iso_code => 'CH' }, subdivisions => [],
                        city => { names => { ja => 'x' } } } ],
    [ '127.0.10.0/24', network(0, '') ],
    [ '127.0.11.0/24', place('US', 'NY', ('a' x 63) . "\x{e9}") ],
    [ '127.0.12.0/24', place('US', 'NY', ('a' x 62) . "\x{e9}") ],
);

write_file('city.mmdb', 6, 'Test-City', undef, @places, @places6);
write_file('asn.mmdb', 6, 'Test-ASN', undef, @networks);
write_file('v4.mmdb', 4, 'Test-City', undef, @places);
write_file('odd.mmdb', 6, 'Test-Odd', undef, @odd);
my %flat = (city => 'utf8_string', country => 'utf8_string',
            continent => 'utf8_string');

write_file('flat.mmdb', 6, 'ipinfo bundle_location_lite.mmdb', undef, \%flat,
    [ '127.0.1.0/24', { asn => 'AS64501', as_name => 'Example Tokyo',
                        continent => 'Asia', continent_code => 'AS',
                        country => 'Japan', country_code => 'JP' } ],
    [ '127.0.2.0/24', { country => 'Brazil', country_code => 'BR',
                        region_code => 'SP', city => "S\x{e3}o Paulo",
                        asn => '64502' } ],
    [ '127.0.3.0/24', { country => 'DE', country_code => 'd', asn => 'AS' } ],
    [ '127.0.4.0/24', { country => 'United States', asn => 'AS4294967296' } ],
    [ '127.0.5.0/24', { country_code => 'GB', region_code => 'ENGL',
                        city => "Lon\ndon", asn => 'ASx' } ],
    [ '127.0.6.0/24', { country_code => 'gb', asn => 'as4200000001' } ],
    [ '127.0.7.0/24', { country_code => '', country => '', asn => '' } ],
    [ '2001:db8:1::/48', { country_code => 'JP', asn => 'AS64501' } ]);
write_file('old.mmdb', 6, 'ipinfo generic_country_free.mmdb', undef, \%flat,
    [ '127.0.5.0/24', { country => 'GB', continent => 'EU' } ]);
write_file('number.mmdb', 6, 'iplocate-ip-to-asn', undef, { asn => 'uint32' },
    [ '127.0.5.0/24', { asn => 64505, country_code => 'US' } ]);
write_file('other.mmdb', 6, 'Test-Other', undef,
    [ '127.0.0.0/8', { code => 7, names => { en => 'x' } } ]);
write_file('string.mmdb', 6, 'Test-String', 'utf8_string',
           [ '127.0.0.0/8', 'JP' ]);


sub place {
    my ($country, $region, $city, $ja) = @_;

    my $place = { country => { iso_code => $country } };

    $place->{subdivisions} = [ { iso_code => $region } ] if defined $region;
    $place->{city} = { names => { en => $city } } if defined $city;
    $place->{city}{names}{ja} = $ja if defined $ja;

    return $place;
}


sub network {
    my ($number, $name) = @_;

    return {
        autonomous_system_number       => $number,
        autonomous_system_organization => $name,
    };
}


sub write_file {
    my ($name, $version, $type, $root, @records) = @_;

    my %here = (%types, ref $records[0] eq 'HASH' ? %{ shift @records } : ());

    my $tree = MaxMind::DB::Writer::Tree->new(
        ip_version               => $version,
        record_size              => 24,
        database_type            => $type,
        languages                => [ 'en' ],
        description              => { en => 'test data' },
        alias_ipv6_to_ipv4       => $version == 6,
        remove_reserved_networks => 0,
        (defined $root ? (root_data_type => $root) : ()),
        map_key_type_callback    => sub { $here{$_[0]} },
    );

    for my $record (@records) {
        $tree->insert_network(@$record);
    }

    my $path = File::Spec->catfile($dir, $name);

    open my $fh, '>:raw', "$path.new" or die "$path.new: $!\n";
    $tree->write_tree($fh);
    close $fh or die "$path.new: $!\n";

    rename "$path.new", $path or die "$path: $!\n";
}
