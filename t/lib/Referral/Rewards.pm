package Referral::Rewards;

# Facts about rewards in a test's stream, at times that the test says.
#
#   rules($t, 'shop', $text, time => $ms);    a text of rules
#   fact($t, 'shop', type => 'reserve', event => 'r1', owner => 1, …);

use strict;
use warnings;

use Digest::SHA qw(sha1_hex sha256_hex);
use Exporter 'import';
use Time::HiRes qw(time);

our @EXPORT_OK = qw(rules fact);


sub last_number {
    my ($t, $p) = @_;

    my $info = eval { $t->redis('XINFO', 'STREAM', "ref:conversions:{$p}") }
        or return 0;

    return { @$info }->{'last-generated-id'} =~ s/-.*//r;
}


sub rules {
    my ($t, $p, $text, %more) = @_;

    return fact($t, $p, type => 'rules', version => 1, engine => 1,
                text => $text, zone => '', transitions => '0:0',
                window => 2592000, late => 5184000, bind => 'ever',
                attribution => 'last',
                attribution_order => 'bound,click,cookie,code',
                state => 'active', seed => 'ab' x 16, %more);
}


sub fact {
    my ($t, $p, %fact) = @_;

    my $n = last_number($t, $p) + 1;
    my $fp = '0' x 16;

    $fact{time} //= int(time * 1000);
    $fact{fp} = $fp;

    if ($fact{owner}) {
        my $name = $t->redis('HGET', "ref:person:{$p}:names", $fact{owner});
        my $seed = $t->redis('GET', "ref:seed:{$p}");

        $fact{who} = substr sha1_hex("$seed:$name"), 0, 16;
    }

    if ($fact{event}) {
        my ($bucket, $field) = sha256_hex($fact{event}) =~ /^(.{3})(.{22})/;

        $t->redis('HSET', "ref:ids:{$p}:$bucket", $field, "$n $fp");
    }

    $t->redis('XADD', "ref:conversions:{$p}", "$n-0",
              map { ($_, $fact{$_}) } 'type', grep { $_ ne 'type' }
                                              sort keys %fact);

    return $n;
}


1;
