# protects: the user of the manual's ACL line (docs/redis.md) may do all that the module does,
# and nothing stands in that line that is not needed for it

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha1_hex);
use Referral;

my $t = Referral->new;
my $page = $t->read_file("$Referral::ROOT/docs/redis.md");

my ($line) = $page =~ /^    user referral (.*)$/m;
ok($line, 'the manual has the line') or do { done_testing; exit };

my @words = split ' ', $line;
my ($password) = $line =~ />(\S+)/;

# each word, by what takes it away; these two give nothing

my %without = (
    map({ $_ => /^\+(.*)/ ? "-$1" : /^~/ ? 'resetkeys' : 'resetchannels' }
        grep { /^[+~&]/ } @words)
);

is_deeply([ grep { !$without{$_} && $_ ne ">$password" } @words ],
          [ 'on', 'resetchannels', '-@all' ], 'it is read whole');

$t->write_file('password', "$password\n", 0600);

# not in the first database: SELECT is one of the commands

my $zone = 4;

sub parts {
    return (
        http => <<"END",
            referral_redis %%REDIS%% db=3 username=referral
                           password_file=%%DIR%%/password timeout=500ms;
            referral_journal %%DIR%%/journal retain=1s;
            referral_zone ${zone}m untracked=1s;
END
        server => <<'END',
            referral_landing https://shop.example.com/;

            location /r/ {
                referral shop;
            }
END
    );
}


sub user {
    $t->redis('ACL', 'SETUSER', 'referral', 'reset', @words, @_);
}


my $clicks = 0;

sub click {
    is($t->get("/r/$_[0]")->status, 302, $_[1] // "a click on $_[0]");
    $clicks++;
}


sub counted {
    my ($what) = @_;

    my $ok = wait_for {
        ($t->hgetall('ref:stats:{shop}')->{clicks} // 0) == $clicks;
    };

    ok($ok, "$what: counted");
}


# as full as it takes for old hours to be thrown away

sub fill_hours {
    $t->redis('HSET', 'ref:hours:{shop}',
              map { (sprintf('2001-01-%02dT%02d', 1 + $_ / 100, $_ % 100), 1) }
                  0 .. 2300);
}


$t->config(parts());
user();
$t->redis('SELECT', 3);
$t->link('shop', 'one', referrer => 'aiko');
fill_hours();

$t->redis('CONFIG', 'RESETSTAT');
$t->redis('ACL', 'LOG', 'RESET');
$t->start;

# addresses are counted once the day's salt is there

ok((wait_for { @{ $t->redis('KEYS', 'ref:salt*') } }), 'a salt');

click('one') for 1 .. 5;
counted('clicks');
ok($t->redis('HLEN', 'ref:hours:{shop}') < 2301, 'old hours are gone');

my $tracks = wait_for {
    return $t->redis('CLIENT', 'LIST', 'TYPE', 'pubsub') =~ /user=referral/;
};

ok($tracks, 'it hears of edits');

# the next worker takes this one's journal over, and ends it with its mark

my @journals = glob "$t->{dir}/journal/slot-*/*/";
is(scalar(@journals), 1, 'one worker, one journal');

$t->reload;

# a click whose link cannot be looked up

$t->redis_pause;
click('two', 'while Redis hangs');
$t->redis_continue;

$t->link('shop', 'two', referrer => 'aiko');
counted('an unresolved click');

my ($old) = $journals[0] =~ m{([^/]+)/$};
my $ended = wait_for {
    my @left = glob "$t->{dir}/journal/slot-*/$old";
    return !@left;
} 20;

ok($ended, 'a journal ends');
ok((wait_for { @{ $t->redis('HKEYS', 'ref:journals:{shop}') } == 1 } 15),
   'and so does its mark');

# the script is not there, somebody was forgotten

$t->redis('SCRIPT', 'FLUSH');
$t->redis('HSET', 'ref:forgotten:{shop}', sha1_hex('somebody'), 1);
click('one');
counted('a click after SCRIPT FLUSH');

# what Redis refuses is set aside

$t->redis('SET', 'ref:days:{shop}', 'x');
click('one');
counted('a click of which Redis refuses a part');
ok((wait_for { $t->redis('XLEN', 'ref:errors:{shop}') }), 'the part is told');
is_deeply({ map { $_->{key} => 1 } $t->entries('ref:errors:{shop}') },
          { 'ref:days:{shop}' => 1 }, 'and no other');

is_deeply($t->redis('ACL', 'LOG'), [], 'nothing was refused');

# the test itself asked nothing of these but HSET, HKEYS and HLEN

my $stats = $t->redis('INFO', 'commandstats');
my %used = map { tr/|/_/r => 1 } $stats =~ /^cmdstat_([\w|]+)/mg;

is_deeply([ grep { !$used{s/^\+//r =~ tr/|/_/r} } grep { /^\+/ } @words ], [],
          'each command of the line is used');


# --- what is missing is missed ---

# A worker and a zone that are new ask for all again.  What is refused stands
# in Redis's own list; but for what the script asks before it writes, which
# nginx is told.

$t->redis('DEL', 'ref:days:{shop}', 'ref:errors:{shop}');

for my $word (sort keys %without) {
    my ($command) = $word =~ /^\+(.*)/;

    $t->redis('ACL', 'LOG', 'RESET');
    user($without{$word});
    $zone = 9 - $zone;

    # while Redis has the script, EVALSHA is enough

    $t->redis('SCRIPT', 'FLUSH') if $word eq '+eval';

    my $said = length $t->log;

    $t->reload(parts());
    click('one', "without $word a click is answered");

    my $missed = wait_for {
        for my $entry (@{ $t->redis('ACL', 'LOG') }) {
            my %e = @$entry;

            return 1 if $command ? lc $e{object} eq $command
                        : $e{reason} eq ($word =~ /^~/ ? 'key' : 'channel');
        }

        return $command
               && substr($t->log, $said)
                  =~ /not take clicks: "NOPERM [^"]*"\Q$command\E"/i;
    };

    ok($missed, "without $word something is refused");
}

user();
counted('all of them, once there is nothing missing');

# Redis loses what it has; the last worker's journal holds one click at least,
# those before it may be there or gone

$t->reload;
click('one');
counted('another');

$t->redis('FLUSHALL');
$t->link('shop', 'one', referrer => 'aiko');

ok((wait_for { $t->hgetall('ref:stats:{shop}')->{clicks} }),
   'what Redis lost is sent again');

is($t->redis('EXISTS', 'ref:errors:{shop}'), 0, 'nothing was set aside');

# a worker that stops asks on a connection of its own: to its database or not
# at all

$t->redis('ACL', 'SETUSER', 'referral', '-select');
my $sent = $t->hgetall('ref:stats:{shop}')->{clicks};
$t->get('/r/one');
ok((wait_for { $t->hgetall('ref:stats:{shop}')->{clicks} > $sent }),
   'on the connection that it has it goes on');
$t->get('/r/one') for 1 .. 3;
$t->stop;

$t->redis('SELECT', 0);
is_deeply($t->redis('KEYS', '*'), [],
          'what is left at a stop does not go to the first database');

done_testing;
