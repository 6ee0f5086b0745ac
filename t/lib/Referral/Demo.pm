package Referral::Demo;

# conf/demo/nginx.conf as scripts/demo has it, in a test's directory, and the
# demo's shop behind it.

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;

our @EXPORT_OK = qw(demo shop);


# configures the test's nginx; the shop is on that port

sub demo {
    my ($t, $shop) = @_;

    my $root = $Referral::ROOT;
    my ($http) = $t->read_file("$root/conf/demo/nginx.conf")
                 =~ /^http \{(.*)^\}/ms;

    $http =~ s{^\s*(?:include /etc|access_log|\w+_temp_path|set_real_ip_from
                      |real_ip_header|charset|referral_geoip).*\n}{}mgx;
    $http =~ s{log_format.*?;\n}{}s;
    $http =~ s{\@CONF\@}{$root/conf/demo}g;
    $http =~ s{\@PORT\@}{%%PORT%%}g;
    $http =~ s{\@REDIS_PORT\@}{%%REDIS_PORT%%}g;
    $http =~ s{\@SHOP_PORT\@}{$shop}g;
    $http =~ s{\@STATE\@/referral\.key}{%%DIR%%/key}g;
    $http =~ s{\@STATE\@}{%%DIR%%}g;

    $t->write_file('referral.shops', 'juniper key1 ' . secret() . "\n", 0600);
    $t->config(http => $http . "\ncharset utf-8;\n");
}


# starts conf/demo/shop.py on that port; what it complains of is in shop.log

sub shop {
    my ($t, $port) = @_;

    local %ENV = (%ENV, REFERRAL_KEY => secret(),
                  REFERRAL_URL => 'http://127.0.0.1:' . $t->port . '/events',
                  REFERRAL_REDIS => "127.0.0.1:$t->{redis_port}");

    my $pid = $t->spawn(sub {
        open STDERR, '>', $t->dir . '/shop.log';
        exec '/usr/bin/python3', '-B', "$Referral::ROOT/conf/demo/shop.py",
             "127.0.0.1:$port";
    });

    Referral::wait_for(sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
    }) or die "the shop does not start\n";

    return $pid;
}


# what the shop signs with

sub secret { 'whsec_' . 'c2hv' x 11 }

1;
