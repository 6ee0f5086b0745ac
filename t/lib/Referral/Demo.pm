package Referral::Demo;

# conf/demo/nginx.conf as scripts/demo has it, in a test's directory.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(demo);


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


# what the shop signs with

sub secret { 'whsec_' . 'c2hv' x 11 }

1;
