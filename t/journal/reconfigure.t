# protects: no answered click is lost and none is counted twice when the
# configuration changes under load: the journal's parameters and its place, the
# Redis, the keys, the databases, and short links that go and come back

use strict;
use warnings;

use FindBin;
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Clicks;

my ($t, $c) = Referral::Clicks->instance;
my $dir = $t->dir;


# clicks come all the while; another configuration each time

sub under_load {
    my ($what, @changes) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $c->start(rate => 500);

    for my $change (@changes) {
        sleep 0.4;
        $change->();
    }

    sleep 0.4;
    $c->stop;
    cmp_ok($c->{last}{answered}, '>', 100, "$what: clicks were answered");
    $c->counted($what);
}


sub to {
    my ($parameters) = @_;

    return sub { $t->reload($c->parts(journal => $parameters)) };
}

under_load("the journal's parameters",
           to('segment=128k max=1m retain=1s'), to('segment=1m sync=always'),
           to(''));

under_load('databases that go and come back',
           map { my $geoip = $_;
                 sub {
                     my %parts = $c->parts;
                     $parts{http} =~ s/referral_geoip.*/$geoip/;
                     $t->reload(%parts);
                 } }
           'referral_geoip %%GEO%%/asn.mmdb %%GEO%%/city.mmdb reload=1s;',
           'referral_geoip %%GEO%%/city.mmdb;');

# --- the journal's place ---

sub journal {
    my ($name) = @_;

    my %parts = $c->parts;

    $parts{http} =~ s{referral_journal \S+}{referral_journal %%DIR%%/$name};

    return %parts;
}

under_load('another journal, and back',
           sub { $t->reload(journal('other')) },
           sub { $t->reload(journal('journal')) });

like($t->log, qr{\[error\].*journal in "$dir/journal" is not used any more},
     'the log says so');

under_load('a journal that is moved with mv',
           sub {
               rename "$dir/journal", "$dir/moved" or die "rename: $!";
               $t->reload(journal('moved'));
           });

# what waits in a directory that is not named any more, waits there

$t->redis_pause;
$c->start(rate => 500, count => 200);
$c->wait;
$t->reload(journal('third'));
$t->redis_continue;

cmp_ok($c->total, '<', $c->known('answered'), 'clicks wait in the old journal');
$t->reload(journal('moved'));
$c->counted('which is named again');

# --- another Redis ---

# one that follows the first and takes over, marks and all; what came to the
# first one in between is sent to the second too

my $second = Referral->new;

$t->redis('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
$second->redis('REPLICAOF', '127.0.0.1', $t->{redis_port});
ok((wait_for { $second->redis('INFO', 'replication')
               =~ /master_link_status:up/ }), 'a second Redis follows');

my %parts = journal('moved');

$parts{http} =~ s/referral_redis \S+/referral_redis 127.0.0.1:$second->{redis_port}/;

{
    $c->start(rate => 500);
    sleep 0.5;
    $second->redis('REPLICAOF', 'NO', 'ONE');
    sleep 0.3;
    $t->reload(%parts);
    sleep 0.5;
    $c->stop;

    # the oracle asks the second from here on

    $t->redis_stop;
    @$t{qw(redis_pid redis_port redis_socket)}
        = delete @$second{qw(redis_pid redis_port redis_socket)};
    delete @$_{redis} for $t, $second;

    $c->counted('another Redis, which followed the first');
}

# --- keys ---

my @keys = map { unpack 'H*', Referral::random(32) } 0 .. 2;
my $who = sub { $t->get('/who', cookie => $_[0])->body };

my $with = sub {
    my %now = $c->parts;

    $now{http} =~ s{referral_journal \S+}{referral_journal %%DIR%%/moved};
    $now{http} .= 'referral_key_file %%DIR%%/keys;';
    $now{server} .= 'location = /who {
                         referral_program shop;
                         return 200 $referral_code;
                     }';

    $t->write_file('keys', join("\n", @keys[@_]) . "\n", 0600);
    $t->reload(%now);
};

$with->(0);

# a click that the oracle does not know

my $old = $t->get('/r/c1')->cookie;

$c->except('shop', 'c1');

is($who->($old), 'c1', 'a cookie');

under_load('keys are rotated', sub { $with->(1, 0) },
           sub { is($who->($old), 'c1', 'the old key still verifies') },
           sub { $with->(2, 1, 0) },
           sub { $with->(2) });

is($who->($old), '', 'a key that is gone does not');

# --- short links that go ---

my %none = (bare => 1, log => 'notice', workers => 2,
            server => 'location / { return 200 none; }');

$c->start(rate => 500, count => 300);
$c->wait;
$t->reload(%none);
is($t->get('/r/c1')->body, 'none', 'no short link any more');

ok((wait_for { split(/\n/, $t->redis('CLIENT', 'LIST')) == 1 } 3),
   'and nobody is connected to Redis but this test')
   or diag($t->redis('CLIENT', 'LIST'));

$c->counted('short links are gone');

$with->(2);
under_load('and there again', sub { $with->(2) });

done_testing;
