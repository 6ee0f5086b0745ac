# protects: the user of the README's ACL line may do all that the module does,
# and no command stands there that it does not use

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Referral;

my $t = Referral->new;
my $readme = $t->read_file("$Referral::ROOT/README.md");

my ($rules) = $readme =~ /^    user referral (.*)$/m;
ok($rules, 'the README has the line') or do { done_testing; exit };

my ($password) = $rules =~ />(\S+)/;
my %may = map { tr/|/_/r => 1 } $rules =~ / \+([\w|]+)/g;

$t->redis('ACL', 'SETUSER', 'referral', split ' ', $rules);
$t->write_file('password', "$password\n", 0600);

# not in the first database: SELECT is one of the commands

$t->config(
    http => <<'END',
        referral_redis %%REDIS%% db=3 username=referral
                       password_file=%%DIR%%/password timeout=500ms;
        referral_journal %%DIR%%/journal retain=1s;
END
    server => <<'END',
        referral_landing https://shop.example.com/;

        location /r/ {
            referral shop;
        }
END
);

$t->redis('SELECT', 3);
$t->link('shop', 'one', referrer => 'aiko');

# as full as it takes for old hours to be thrown away

$t->redis('HSET', 'ref:hours:{shop}',
          map { (sprintf('2001-01-%02dT%02d', 1 + $_ / 100, $_ % 100), 1) }
              0 .. 2300);

$t->redis('CONFIG', 'RESETSTAT');
$t->redis('ACL', 'LOG', 'RESET');
$t->start;

# addresses are counted once the day's salt is there

wait_for { @{ $t->redis('KEYS', 'ref:salt*') } };

sub clicks_are {
    my ($n) = @_;

    return wait_for { $t->redis('XLEN', 'ref:events:{shop}') == $n } 15;
}

$t->get('/r/one') for 1 .. 5;

ok(clicks_are(5), 'such a user counts');

# the next worker takes this one's journal over, and ends it with its mark

my @journals = glob "$t->{dir}/journal/slot-*/*/";
is(scalar(@journals), 1, 'one worker, one journal');

$t->reload;

# an edit is heard of, so the next line of this file means something

my $tracks = wait_for {
    return $t->redis('CLIENT', 'LIST', 'TYPE', 'pubsub') =~ /user=referral/;
};

ok($tracks, 'such a user hears of edits');

# a click whose link cannot be looked up; nothing but an answer is expected

$t->redis_pause;
$t->get('/r/two');
$t->redis_continue;

$t->link('shop', 'two', referrer => 'aiko');
ok(clicks_are(6), 'an unresolved click counts');

my ($old) = $journals[0] =~ m{([^/]+)/$};
my $ended = wait_for {
    my @left = glob "$t->{dir}/journal/slot-*/$old";
    return !@left;
} 20;

ok($ended, 'a journal ends');

# the test itself asked nothing of the line but HSET until now

my %used;

wait_for {
    my $stats = $t->redis('INFO', 'commandstats');

    %used = map { tr/|/_/r => 1 } $stats =~ /^cmdstat_([\w|]+)/mg;
    return $used{hdel};
};

is_deeply([ sort grep { !$used{$_} } keys %may ], [],
          'each command of the line is used');
is_deeply($t->redis('ACL', 'LOG'), [], 'nothing was refused');
is($t->redis('EXISTS', 'ref:errors:{shop}'), 0, 'nothing was set aside');
is($t->hgetall('ref:stats:{shop}')->{clicks}, 6, 'all are counted');
ok($t->redis('HLEN', 'ref:hours:{shop}') < 2301, 'old hours are gone');
ok((wait_for { @{ $t->redis('HKEYS', 'ref:journals:{shop}') } == 1 } 15),
   'and the mark of the journal that ended');

# a worker that stops asks on a connection of its own: to its database or not
# at all

$t->redis('ACL', 'SETUSER', 'referral', '-select');
$t->get('/r/one');
clicks_are(7);
$t->get('/r/one') for 1 .. 3;
$t->stop;

$t->redis('SELECT', 0);
is_deeply($t->redis('KEYS', '*'), [],
          'what is left at a stop does not go to the first database');

done_testing;
