# protects: clicks that another version of the module wrote stay in the
# journal, untouched, until that version runs again; all others are counted

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

use JSON::PP;
use Time::HiRes qw(sleep);

my $t = Referral->new;
my $journal = $t->dir . '/journals';

Referral::Cli->begin($t);

$t->link('shop', $_, referrer => 'aiko') for qw(one two three);
$t->config(
    workers => 1,
    http => "referral_journal $journal retain=1s;",
    server => <<'END',
        referral_landing https://shop.example.com/;

        location /r/ {
            referral shop;
        }

        location = /metrics {
            referral_metrics;
        }
END
);


# CRC-32C, as the journal has it

my @table = map {
    my $crc = $_;
    $crc = $crc & 1 ? $crc >> 1 ^ 0x82f63b78 : $crc >> 1 for 1 .. 8;
    $crc;
} 0 .. 255;

sub crc32c {
    my ($crc, $data) = @_;

    $crc ^= 0xffffffff;
    $crc = $table[($crc ^ $_) & 0xff] ^ $crc >> 8 for unpack 'C*', $data;

    return $crc ^ 0xffffffff;
}


sub put {
    my ($file, $data) = @_;

    open my $f, '+<:raw', $file or die "$file: $!";
    print $f $data;
    close $f or die "$file: $!";
}


# a segment, or one record in it, becomes one of a version that is to come

sub newer_segment {
    my ($file) = @_;

    my $data = $t->read_file($file);

    substr($data, 8, 4) = pack 'V', 9;
    substr($data, 12, 4) = pack 'V', crc32c(0, substr $data, 0, 12);

    put($file, $data);
}


sub newer_record {
    my ($file, $number) = @_;

    my $data = $t->read_file($file);
    my ($id) = $file =~ m{/([0-9a-f]{32})/[^/]+$};
    my $seed = crc32c(0, pack 'H*', $id);
    my $pos = 64;

    for (2 .. $number) {
        my $len = unpack 'V', substr $data, $pos + 4, 4;
        $pos += ($len + 32 + 7) & ~7;
    }

    my $len = unpack 'V', substr $data, $pos + 4, 4;

    substr($data, $pos + 32, 1) = chr 9;
    substr($data, $pos + 24, 4)
        = pack 'V', crc32c($seed, substr $data, $pos + 32, $len);
    substr($data, $pos + 28, 4)
        = pack 'V', crc32c($seed, substr $data, $pos, 28);

    put($file, $data);
}


sub segments { return glob "$journal/slot-*/*/*.seg" }


# a life whose clicks Redis does not get; returns its segment

sub life {
    my (@codes) = @_;

    my %old = map { (m{([^/]+/[^/]+)$})[0] => 1 } segments();

    $t->start;
    $t->get("/r/$_") for @codes;

    wait_for { (grep { !$old{(m{([^/]+/[^/]+)$})[0]} } segments()) == 1 };

    $t->stop('QUIT');

    my @new = grep { !$old{(m{([^/]+/[^/]+)$})[0]} } segments();

    is(scalar(@new), 1, 'a life, a segment');

    return $new[0];
}


sub counted { $t->hgetall("ref:stats:{shop}:$_[0]")->{raw} // 0 }


# warm, so that codes are known while nothing is sent

$t->redis('ACL', 'SETUSER', 'default', '-eval', '-evalsha');

my $whole = life(('one') x 10);
my $part = life(('two') x 10);

life(('three') x 10);

newer_segment($whole);
newer_record($part, 6);

my %before = map { (m{([^/]+/[^/]+)$})[0] => $t->read_file($_) }
             $whole, $part;

$t->redis('ACL', 'SETUSER', 'default', '+eval', '+evalsha');
$t->start;

ok((wait_for { counted('three') == 10 }), 'what others wrote is counted');
ok((wait_for { counted('two') == 5 }), 'and what is before a newer record');
$t->get('/r/three') for 1 .. 5;
ok((wait_for { counted('three') == 15 }), 'and new clicks are');

# longer than acknowledged journals are kept

sleep 4;

is(counted('one') . ' ' . counted('two'), '0 5', 'nothing of the newer ones');

my %after = map { (m{([^/]+/[^/]+)$})[0] => $t->read_file($_) } segments();

is($after{$_} // 'gone', $before{$_}, 'untouched and in its journal')
    for sort keys %before;

ok(!-e "$journal/damaged", 'and not called damaged');

is(scalar(() = $t->log =~ /\[warn\].*another version of the module/g), 1,
   'the log tells it once');
unlike($t->log, qr/are damaged/, 'and of no damage');

ok((wait_for { $t->metric('referral_journal_foreign') == 2 }),
   'the metrics tell it');
ok((wait_for { $t->metric('referral_journaled') == 5 }),
   'what waits for that version is among what waits');
is($t->metric('referral_bad_records_total'), 0, 'and not bad');

is(r('journal', $journal, '--json'), 0, 'the command line');

my $foreign = 0;

$foreign += $_->{foreign} for @{ decode_json($out) };
is($foreign, 2, 'tells it');
like($err, qr/holds clicks of another version/, 'in words');
is(r('journal', 'check', $journal), 0, 'which is no damage');

# the next lives leave them alone as well

for my $next (qw(reload restart kill)) {
    if ($next eq 'reload') {
        $t->reload;

    } elsif ($next eq 'restart') {
        $t->stop('QUIT');
        $t->start;

    } else {
        $t->expect_log(qr/exited on signal 9/);
        kill 'KILL', $t->workers;
    }

    sleep 3;

    %after = map { (m{([^/]+/[^/]+)$})[0] => $t->read_file($_) } segments();

    is(scalar(grep { ($after{$_} // '') eq $before{$_} } keys %before), 2,
       "untouched after a $next");
    is(counted('one') . ' ' . counted('two'), '0 5', 'and not sent');
}

# the newer version is back: as if nothing had been

$t->stop('QUIT');

for my $file (segments()) {
    my $data = $t->read_file($file);

    if (unpack('V', substr $data, 8, 4) == 9) {
        substr($data, 8, 4) = pack 'V', 1;
        substr($data, 12, 4) = pack 'V', crc32c(0, substr $data, 0, 12);
        put($file, $data);
    }
}

$t->start;

ok((wait_for { counted('one') == 10 }), 'it finds all of its clicks');
is(counted('three'), 15, 'and nothing is counted twice');

$t->finish;

done_testing;
