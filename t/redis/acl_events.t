# protects: the user of the manual's ACL line, with the words that conversions
# add, may append events, find one again and keep rejects, and each of these
# words is needed

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;
my $page = $t->read_file("$Referral::ROOT/docs/redis.md");
my ($line) = $page =~ /^    user referral (.*)$/m;
my ($more) = $page =~ /^Where a location takes \[conversions\][^,]*, (.*?)^more\./ms;

my @words = split ' ', $line // '';
my ($password) = ($line // '') =~ />(\S+)/;
my @added = ($more // '') =~ /`(\+[^`]+)`/g;

ok(@words && @added, 'the manual has both')
    or do { done_testing; exit };

$t->write_file('password', "$password\n", 0600);

sub parts {
    return (
        http => <<"END",
            referral_redis %%REDIS%% username=referral
                           password_file=%%DIR%%/password timeout=500ms;
            referral_journal %%DIR%%/journal retain=1s;
            referral_zone 4m;
END
        server => <<'END',
            referral_program shop;

            location /inside {
                referral_convert;
                referral_convert_auth location;
                allow 127.0.0.1;
                deny all;
            }
END
    );
}

my $n = 0;

sub post {
    my ($amount) = @_;

    return $t->request('POST', '/inside',
                       headers => [ 'Content-Type', 'application/json' ],
                       body => qq({"type":"sale","event_id":"e$n",)
                               . qq("customer":"c","order_id":"o",)
                               . qq("amount":$amount,"currency":"EUR"}));
}

sub user {
    $t->redis('ACL', 'SETUSER', 'referral', 'reset', @words, @added, @_);
    $t->redis('ACL', 'LOG', 'RESET');
}

sub refused {
    return map { my %e = @$_; lc $e{object} } @{ $t->redis('ACL', 'LOG') };
}

$t->config(parts());
user();
$t->start;

$n++;
ok((wait_for { post(17)->status == 200 }), 'an event is recorded');
is(post(17)->status, 200, 'it is replayed');
is(post(18)->status, 422, 'another one with its id is rejected');
is($t->get('/inside/e1')->status, 200, 'what became of it');
is($t->redis('XLEN', 'ref:rejects:{shop}'), 1, 'the reject is told');
is_deeply([ refused() ], [], 'nothing was refused');

for my $word (@added) {
    user($word =~ s/^\+/-/r);
    $n++;

    my $command = substr $word, 1;
    my $missed = wait_for {
        post(17);
        $t->get('/inside/e1');
        return scalar grep { $_ eq $command } refused();
    };

    ok($missed, "without $word something is refused");
}

user();
$n++;
ok((wait_for { post(17)->status == 200 }), 'with all of them it goes on');

done_testing;
