# protects: the HTTP API: whoever has a key and its scope gets what the command
# line answers with --json, whoever has not gets nothing; all mistakes of a
# request are named; each answer is what the OpenAPI document says; the users of
# the manual's ACL lines suffice

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Append;
use Referral::Cli;
use Referral::Rewards qw(rules);
use Referral::Settler;

use IO::Socket::INET;
use JSON::PP;
use POSIX ();

my $t = Referral->new;
my $page = $t->read_file("$Referral::ROOT/docs/redis.md");
my %line = $page =~ /^    user (reports|web) on >\S+ (.*)$/mg;

is(join(' ', sort keys %line), 'reports web', 'the manual has both users')
    or do { done_testing; exit };

# whether the server has the user of the reports or its own

sub user {
    my ($name, @less) = @_;

    $t->redis('ACL', 'SETUSER', 'server', 'reset', 'on', '>secret',
              split(' ', $line{$name}), @less);
}

user('reports');
$t->write_file('password', "secret\n", 0600);

Referral::Cli->begin($t);


my $NOW = int(time) * 1000;
my $text = <<'END';
unit=EUR/2
rule=hello on=lead to=friend give=5.00EUR life=30d
rule=thanks on=sale nth=1 to=referrer give=10.00EUR hold=14d
END

$t->program('shop', state => 'active');
$t->link('shop', 'aiko7', referrer => 'aiko');
$t->redis('HSET', 'ref:referrer:{shop}:aiko', 'state', 'active');
$t->redis('HSET', 'ref:program:{shop}', 'rewards', $text);
rules($t, 'shop', $text, time => $NOW - 1000);

ok(ref Referral::Append->new($t)->apply({},
    { type => 'lead', event_id => 'e1', customer => 'bo', code => 'aiko7',
      received => $NOW, at => $NOW - 1000 },
    { type => 'sale', event_id => 'e2', customer => 'bo', order_id => 'o1',
      amount => 5000, currency => 'EUR', received => $NOW,
      at => $NOW - 1000 }), 'a friend who bought');
is(scalar Referral::Settler::run($t, '--once'), 0, 'it is settled');
r(qw(program set other --landing https://other.example.com/));

my %key = (
    reports => 'read:reports', people => 'read:people',
    rewards => 'read:rewards', write => 'write:rewards',
);

for my $name (sort keys %key) {
    $key{$name} = j('key', 'add', '--scope', $key{$name})->{key};
    like($key{$name}, qr/^nrk_[0-9a-f]{12}_[\w-]{43}$/, "a key for $name");
}

my $narrow = j(qw(key add --scope read:reports --program other --note one))
             ->{key};

is(scalar @{ j(qw(key list)) }, 5, 'they are listed');
unlike($out, qr/nrk_|[\w-]{43}/, 'without secrets');

for my $key (@{ $t->redis('KEYS', 'ref:apikey:*') }) {
    my $kept = join ' ', @{ $t->redis('HGETALL', $key) };

    unlike($kept, qr/\Q${\substr $_, 17}\E/, 'nor has Redis one')
        for values %key;
}

isnt(r(qw(key add --scope read:all)), 0, 'no scope that there is not');
isnt(r(qw(key add --scope read:people --program), 'A B'), 0, 'no such program');
is(r(qw(key remove 000000000000)), 1, 'no such key');


# --- the server ---

my $port = $t->free_port;
my $log = "$t->{dir}/web.log";

sub web {
    return $t->spawn(sub {
        open STDERR, '>>', $log or die;
        open STDOUT, '>&', \*STDERR or die;
        $ENV{REFERRAL_REDIS} = "redis://server\@127.0.0.1:$t->{redis_port}";
        $ENV{REFERRAL_PASSWORD_FILE} = "$t->{dir}/password";
        exec '/usr/bin/python3', '-B', "$Referral::ROOT/scripts/web",
             '--bind', "127.0.0.1:$port", '--workers', 1, '--threads', 4;
    });
}

my $web = web();

my $json = JSON::PP->new->canonical->allow_nonref;
my $base = '/api/v1';


# status, headers in one text, and the body

sub http {
    my ($method, $path, @headers) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Timeout => 5) or return;

    my $sent = @headers && ref $headers[-1] ? ${ pop @headers } : '';

    push @headers, 'Content-Length: ' . length $sent if $method eq 'POST';
    print $s join("\r\n", "$method $base$path HTTP/1.0", 'Host: x', @headers,
                  '', ''), $sent;
    my $text = do { local $/; <$s> } // '';
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($status) = ($head // '') =~ m{^HTTP/\S+ (\d+)};

    return ($status // 0, $head, $body);
}


sub ask { my ($name, $path, @more) = @_;
          return http('GET', $path, "Authorization: Bearer $key{$name}", @more) }

ok((wait_for { (http('GET', '/openapi.json'))[0] }), 'it answers')
    or diag($t->read_file($log));

my $api = $json->decode((http('GET', '/openapi.json'))[2]);


# --- the document ---

is($api->{openapi}, '3.1.0', 'OpenAPI 3.1');

my %seen;

for my $path (sort keys %{ $api->{paths} }) {
  for my $get (map { $api->{paths}{$path}{$_} }
               sort keys %{ $api->{paths}{$path} })
  {
    my %in_path = map { $_ => 1 } $path =~ /\{(\w+)\}/g;
    my %names;

    ok(!$seen{$get->{operationId}}++, "$path: an id of its own");
    like($get->{summary}, qr/\S/, 'it says what it is');

    for my $one (@{ $get->{parameters} }) {
        ok(!$names{$one->{name}}++, "$one->{name} is there once");
        delete $in_path{$one->{name}} if $one->{in} eq 'path';
        ok($one->{required}, 'and needed') if $one->{in} eq 'path';
    }

    is(join(' ', keys %in_path), '', 'what the path names is described');

    for my $answer (values %{ $get->{responses} }) {
        my ($name) = ($answer->{'$ref'} // next)
                     =~ m{^#/components/responses/(\d+)$};

        ok($api->{components}{responses}{$name}, "there is $name");
    }
  }
}


# whether a value is what a schema says

sub fits {
    my ($value, $schema) = @_;

    if (my ($name) = ($schema->{'$ref'} // '') =~ m{^#/components/schemas/(.*)}) {
        $schema = $api->{components}{schemas}{$name};
    }

    my $type = $schema->{type};

    if ($type eq 'array') {
        return ref $value eq 'ARRAY'
               && !grep { !fits($_, $schema->{items}) } @$value;
    }

    if ($type eq 'object') {
        return ref $value eq 'HASH'
               && !(grep { !exists $value->{$_} } @{ $schema->{required} })
               && !grep { exists $value->{$_}
                          && !fits($value->{$_}, $schema->{properties}{$_}) }
                   keys %{ $schema->{properties} };
    }

    return !ref $value && ($type ne 'integer' || $value =~ /^-?\d+$/);
}


sub problem_is {
    my ($status, $name, @answer) = @_;

    is($answer[0], $status, "$name: $status") or diag($answer[2]);
    like($answer[1], qr{^Content-Type: application/problem\+json}mi,
         'as a problem');
    like($answer[1], qr/^Cache-Control: no-store/mi, 'that nobody keeps');

    my $told = eval { $json->decode($answer[2]) };

    ok(fits($told, $api->{components}{responses}{$status}{content}
                   {'application/problem+json'}{schema}), 'of its schema');
    is($told->{status}, $status, 'with the status');

    return $told;
}


# --- each operation, and the command line ---

my $reward = j(qw(reward list shop))->[0]{reward};

like($reward, qr/^[0-9a-f]+$/, 'there is a reward');

my @asked = (
    [ reports => '/programs', qw(program list) ],
    [ reports => '/programs/shop', qw(program show shop) ],
    [ reports => '/programs/shop/links', qw(link list shop) ],
    [ reports => '/programs/shop/links?referrer=aiko&limit=1',
      qw(link list shop --referrer aiko --limit 1) ],
    [ reports => '/programs/shop/links/aiko7', qw(link show shop aiko7) ],
    [ reports => '/programs/shop/links/aiko7/stats', qw(stats shop aiko7) ],
    [ reports => '/programs/shop/stats', qw(stats shop) ],
    [ reports => '/programs/shop/stats?by=day&by=country',
      qw(stats shop --by day --by country) ],
    [ reports => '/programs/shop/top?by=referrers',
      qw(top shop --by referrers) ],
    [ reports => '/programs/shop/funnel', qw(funnel shop) ],
    [ reports => '/programs/shop/compare?first=2026-01-01&second=2026-01-02',
      qw(compare shop 2026-01-01 2026-01-02) ],
    [ reports => '/programs/shop/referrers', qw(referrer list shop) ],
    [ reports => '/programs/shop/referrers/aiko', qw(referrer show shop aiko) ],
    [ reports => '/programs/shop/settle', qw(settle status shop) ],
    [ people => '/programs/shop/friends/bo', qw(friend show shop bo) ],
    [ people => '/programs/shop/known/bo', qw(known test shop bo) ],
    [ people => '/programs/shop/conversions', qw(conversions list shop) ],
    [ people => '/programs/shop/conversions/e1', qw(conversions show shop e1) ],
    [ people => '/programs/shop/conversions/none',
      qw(conversions show shop none) ],
    [ people => '/programs/shop/rejects', qw(rejects list shop) ],
    [ rewards => '/programs/shop/rewards', qw(reward list shop) ],
    [ rewards => "/programs/shop/rewards/$reward",
      qw(reward show shop), $reward ],
    [ rewards => '/programs/shop/rewards?state=pending&all=true',
      qw(reward list shop --state pending --all) ],
    [ rewards => '/programs/shop/wallets/aiko?limit=1',
      qw(wallet show shop aiko --limit 1) ],
    [ rewards => '/programs/shop/rewards/0123456789abcdef',
      qw(reward show shop 0123456789abcdef) ],
    [ rewards => '/programs/shop/wallets', qw(wallet list shop) ],
    [ rewards => '/programs/shop/wallets/bo', qw(wallet show shop bo) ],
    [ rewards => '/programs/shop/reviews', qw(review list shop) ],
    [ rewards => '/programs/shop/reviews/bo', qw(review show shop bo) ],
    [ rewards => '/programs/shop/rules', qw(rewards show shop) ],
    [ rewards => '/programs/shop/rules/history', qw(rewards history shop) ],
    [ rewards => '/programs/shop/payouts', qw(payout list shop) ],
);

my %called;


# an answer without the times that change from one moment to the next

sub still {
    my ($text) = @_;

    return $text =~ s/"(?:as_of|at|now|age|behind|checked)": ?[^,}]+/"":0/gr;
}


for my $one (@asked) {
    my ($name, $path, @command) = @$one;
    my $known = r(@command, '--json');
    my ($expected, $why) = ($out, $err);
    my @answer = ask($name, $path);
    my ($template) = grep {
        my $like = s/\{\w+\}/[^\/]+/gr;
        $path =~ m{^$like(?:\?|$)};
    } sort { ($a =~ tr/{//) <=> ($b =~ tr/{//) } keys %{ $api->{paths} };

    $called{$template} = 1;

    if (length $expected) {
        is($answer[0], 200, "$path answers") or diag($answer[2]);
        is(still($answer[2]), still($expected), 'as the command line does');
        ok(fits($json->decode($answer[2]), $api->{paths}{$template}{get}
                {responses}{200}{content}{'application/json'}{schema}),
           'of its schema') or diag("$path: $answer[2]");

    } else {
        my $told = problem_is($known == 1 ? 404 : 422, $path, @answer);

        is("nginx-referral: $told->{detail}\n", $why, 'with the same words');
    }

    for my $other (grep { $_ ne $name } sort keys %key) {
        is((ask($other, $path))[0], 403, "not for $other");
    }
}

# --- what is posted ---

my $settler = Referral::Settler->start($t, '--program', 'shop');
my $key = 0;


# with an id of its own if none is given; waits for the settler

sub post {
    my ($path, $body, %o) = @_;

    my ($template) = grep {
        my $like = s/\{\w+\}/[^\/]+/gr;
        $path =~ m{^$like(?:\?|$)};
    } keys %{ $api->{paths} };

    $called{$template} = 1 if $template;

    my $id = exists $o{id} ? $o{id} : 'id' . ++$key;

    return http('POST', $path . ($o{query} // '?wait=settled'),
                'Authorization: Bearer ' . $key{ $o{key} // 'write' },
                'Content-Type: ' . ($o{type} // 'application/json'),
                defined $id ? "Idempotency-Key: $id" : (),
                \(ref $body ? $json->encode($body) : $body));
}


# the answer, which has to be of its schema

sub posted {
    my ($name, $status, @answer) = @_;

    is($answer[0], $status, $name) or diag($answer[2]);

    my $told = eval { $json->decode($answer[2]) } // {};

    ok(fits($told, $api->{paths}{'/programs/{program}/reservations'}{post}
            {responses}{200}{content}{'application/json'}{schema}),
       'of its schema') or diag($answer[2]);

    return $told;
}

my $shop = '/programs/shop';
my %reserve = (customer => 'bo', amount => 300, unit => 'EUR');

problem_is(503, 'the reports\' user writes nothing',
           post("$shop/reservations", \%reserve));
user('web');

my $told = posted('a reserve', 200, post("$shop/reservations",
                  { %reserve, order_id => undef } , id => 'basket-1'));

is_deeply([ @$told{qw(done replayed amount unit)} ],
          [ JSON::PP::true, JSON::PP::false, 300, 'EUR' ], 'is done');
is($told->{entries}[0]{why}, 'reserve', 'with its entries');

my $again = posted('the same again', 200,
                   post("$shop/reservations", \%reserve, id => 'basket-1'));

is_deeply([ @$again{qw(replayed position)} ],
          [ JSON::PP::true, $told->{position} ], 'is the same');
problem_is(422, 'another body under its id',
           post("$shop/reservations", { %reserve, amount => 301 },
                id => 'basket-1'));
problem_is(409, 'more than there is', post("$shop/reservations", \%reserve));
problem_is(404, 'nobody', post("$shop/reservations",
                               { %reserve, customer => 'nobody' }));
problem_is(422, 'no such unit', post("$shop/reservations",
                                     { %reserve, unit => 'USD' }));

$told = posted('a part is used', 200,
               post("$shop/reservations/basket-1/commit",
                    { amount => 200, order_id => 'o7' }));
is_deeply([ map { "$_->{from} $_->{to} $_->{amount}" } @{ $told->{entries} } ],
          [ 'reserved spent 200', 'reserved available 100' ],
          'and the rest goes back');
problem_is(409, 'once', post("$shop/reservations/basket-1/cancel", ''));
problem_is(404, 'no such reserve', post("$shop/reservations/none/commit", {}));

posted('another reserve', 200, post("$shop/reservations", \%reserve,
                                    id => 'basket-2'));
posted('is cancelled', 200, post("$shop/reservations/basket-2/cancel", {}));

posted('an adjustment', 200, post("$shop/wallets/aiko/adjustments",
       { amount => 2000, unit => 'EUR', state => 'available',
         reason => 'a parcel came late' }));
posted('a payout', 200, post("$shop/payouts",
       { customer => 'aiko', unit => 'EUR', min => 2000 }, id => 'pay-1'));
is((ask('rewards', "$shop/payouts"))[2] =~ /"pay-1"/, 1, 'on its way');
posted('fails', 200, post("$shop/payouts/pay-1/failed",
                          { reason => 'account closed' }));
posted('another', 200, post("$shop/payouts", { customer => 'aiko',
       unit => 'EUR', amount => 500 }, id => 'pay-2'));
posted('arrives', 200, post("$shop/payouts/pay-2/paid",
                            { reference => 'bank 17' }));
is(posted('nobody is in review', 200, post("$shop/reviews/bo/approve", ''))
   ->{done}, undef, 'which the ledger does not tell');
problem_is(409, 'no choice', post("$shop/rewards/$reward/choose",
                                  { prize => 'mug' }));
posted('a friend is rejected', 200, post("$shop/reviews/bo/reject", {}));

# ten carts at once

posted('4.00 EUR more', 200, post("$shop/wallets/aiko/adjustments",
       { amount => 400, unit => 'EUR', state => 'available', reason => 'x' }));

my @got = map {
    my $k = $_;

    pipe my $r, my $w or die;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        print $w (post("$shop/reservations", { customer => 'aiko',
                       amount => 1900, unit => 'EUR' }, id => "cart-$k"))[0];
        close $w;
        POSIX::_exit(0);
    }

    close $w;
    [ $pid, $r ];
} 1 .. 10;

is(join(' ', sort map { waitpid $_->[0], 0; readline $_->[1] } @got),
   join(' ', 200, (409) x 9), 'of ten carts one has it');

# the server dies while it waits; whoever asks again is told, and it is once

$settler->signal('STOP');

my $pid = fork // die "fork: $!";

if ($pid == 0) {
    post("$shop/wallets/aiko/adjustments", { amount => 70, unit => 'EUR',
         state => 'available', reason => 'killed' }, id => 'killed-1');
    POSIX::_exit(0);
}

ok((wait_for { my $last = ($t->entries('ref:conversions:{shop}'))[-1];
               ($last->{event} // '') eq 'killed-1' }), 'it is appended');
kill 'KILL', map { split } `pgrep -P $web`;
kill 'KILL', $web;
waitpid $pid, 0;
$web = web();
ok((wait_for { (http('GET', '/openapi.json'))[0] }), 'another server');

$told = posted('it answers before it is settled', 202, post(
    "$shop/wallets/aiko/adjustments", { amount => 70, unit => 'EUR',
     state => 'available', reason => 'killed' }, id => 'killed-1',
     query => '?wait=settled&timeout=1'));
is_deeply([ @$told{qw(replayed settled)} ],
          [ JSON::PP::true, JSON::PP::false ], 'it was there');
$settler->signal('CONT');
posted('and is settled', 200, post(
    "$shop/wallets/aiko/adjustments", { amount => 70, unit => 'EUR',
     state => 'available', reason => 'killed' }, id => 'killed-1'));
is(scalar(grep { ($_->{event} // '') eq 'killed-1' }
               $t->entries('ref:conversions:{shop}')), 1, 'once');
posted('without waiting', 202, post("$shop/reviews/bo/approve", {},
                                    query => ''));

# mistakes, all at once

$told = problem_is(400, 'seven mistakes', post("$shop/reservations",
    { customer => 17, amount => '3.00', unti => 'EUR', item => "a\nb",
      ttl => 'x' x 600 }, id => undef, query => '?wait=1&timeout=31'));
is_deeply([ sort map { "$_->{parameter} $_->{code}" } @{ $told->{errors} } ],
          [ sort 'customer string', 'amount integer', 'unti unknown',
            'unit missing', 'item characters', 'ttl too_long',
            'Idempotency-Key missing', 'wait unknown_value',
            'timeout integer' ], 'all are named');

problem_is(400, 'no JSON', post("$shop/payouts", '{"customer":'));
problem_is(400, 'no object', post("$shop/payouts", '[1]'));
problem_is(400, 'a name twice', post("$shop/payouts",
           '{"customer":"aiko","unit":"EUR","unit":"EUR"}'));
problem_is(400, 'deep', post("$shop/payouts", '[' x 60000));
problem_is(400, 'a form', post("$shop/payouts", 'customer=aiko',
                               type => 'application/x-www-form-urlencoded'));
problem_is(400, 'an amount below 0', post("$shop/payouts",
           { customer => 'aiko', unit => 'EUR', amount => -1 }));
problem_is(400, 'a broken one', post("$shop/payouts",
           '{"customer":"aiko","unit":"EUR","amount":1.5}'));
problem_is(400, 'an id with a space', post("$shop/payouts",
           { customer => 'aiko', unit => 'EUR' }, id => 'a b'));
problem_is(400, 'the id in the body', post("$shop/payouts",
           { customer => 'aiko', unit => 'EUR', event_id => 'x' }));
problem_is(413, 'too large', post("$shop/payouts", ' ' x 65537));
problem_is(403, 'a key that reads', post("$shop/payouts", {},
                                         key => 'rewards'));
problem_is(405, 'asked for', ask('write', "$shop/reservations"));

is(r('ledger', 'audit', 'shop'), 0, 'the books are right') or diag($out);
is(r('ledger', 'replay', 'shop'), 0, 'and come to the same') or diag($out);
is_deeply([ sort keys %called ], [ sort keys %{ $api->{paths} } ],
          'each operation was called');

# each word that the server has beside those of the reports is needed

my %read = map { $_ => 1 } split ' ', $line{reports};

for my $word (grep { /^\+/ && !$read{$_} } split ' ', $line{web}) {
    my $first = 'first' . ++$key;

    # of a program of which nothing is known yet

    $t->program($first, state => 'active', rewards => $text);
    user('web', '-' . substr $word, 1);
    $t->redis('SCRIPT', 'FLUSH') if $word eq '+script|load';
    is((post("/programs/$first/wallets/cy/adjustments", { amount => 1,
             unit => 'EUR', state => 'available', reason => 'x',
             new => JSON::PP::true }, query => ''))[0],
       503, "$word is needed");
}

user('web');
$settler->stop;


# --- keys ---

problem_is(401, 'no key', http('GET', '/programs'));
problem_is(401, $_, http('GET', '/programs', "Authorization: $_"))
    for 'Basic eDp5', 'Bearer', 'Bearer nrk_', "Bearer $key{reports}x",
        'Bearer ' . ($key{reports} =~ s/_\K[\w-]{43}$/'A' x 43/er),
        'Bearer nrk_000000000000_' . 'A' x 43;

like((http('GET', '/programs'))[1], qr/^WWW-Authenticate: Bearer/mi,
     'it says what is wanted');
is((http('GET', "/programs?key=$key{reports}"))[0], 401, 'not in the query');
problem_is(403, 'from a browser',
           ask('reports', '/programs', 'Origin: https://shop.example.com'));

$key{narrow} = $narrow;
is((ask('narrow', '/programs/other'))[0], 200, 'a key of one program');
problem_is(403, 'another program', ask('narrow', '/programs/shop'));
problem_is(403, 'all programs', ask('narrow', '/programs'));

is(r('key', 'remove', substr $narrow, 4, 12), 0, 'it is removed');
problem_is(401, 'and takes effect at once', ask('narrow', '/programs/other'));


# --- mistakes ---

my $wrong = problem_is(400, 'four mistakes', ask(
    'reports', '/programs/shop/top?by=referrer&limit=x&day=a&day=b&lmit=1'));

is_deeply([ map { "$_->{parameter} $_->{code}" }
            sort { $a->{parameter} cmp $b->{parameter} } @{ $wrong->{errors} } ],
          [ 'by unknown_value', 'day repeated', 'limit integer',
            'lmit unknown' ], 'all are named');

for my $query ('scan=true', 'program=other', 'redis=127.0.0.1', 'prefix=x',
               'json=true', 'help=true', 'referrer=' . 'x' x 513,
               'referrer=a%00b', 'referrer=%ff%0a', 'all=1', 'limit=0',
               'limit=-1', 'limit=99999999999')
{
    problem_is(400, substr($query, 0, 20),
               ask('reports', "/programs/shop/links?$query"));
}

problem_is(400, 'what is needed', ask('reports', '/programs/shop/compare'));
problem_is(404, 'no such program', ask('reports', '/programs/none'));
problem_is(422, 'no name', ask('reports', '/programs/A%20B/stats'));
problem_is(404, 'an option as a name', ask('reports',
           '/programs/shop/links/--help'));
problem_is(404, 'another path', ask('reports', '/nothing'));
problem_is(405, 'another method',
           http($_, '/programs', "Authorization: Bearer $key{reports}"))
    for qw(PUT DELETE OPTIONS);
problem_is(405, 'nothing is posted there',
           http('POST', '/programs', "Authorization: Bearer $key{reports}"));

is((http('HEAD', '/programs', "Authorization: Bearer $key{reports}"))[0], 200,
   'HEAD');


# --- Redis is away ---

my $refused = () = $t->read_file($log) =~ /\[error\] requests are refused/g;

$t->redis_stop;

for my $path ('/programs', '/programs/shop/stats') {
    my @answer = ask('reports', $path);
    my $told = problem_is(503, $path, @answer);

    like($answer[1], qr/^Retry-After: \d+\r?$/m, 'when to come again');
    unlike($told->{detail}, qr/127\.0\.0\.1|$t->{redis_port}/, 'no addresses');
}

is((() = $t->read_file($log) =~ /\[error\] requests are refused/g),
   $refused + 1, 'one line of the log');

$t->redis_start;
is((http('GET', '/programs', 'Authorization: Bearer x'))[0], 401,
   'it is back');

$t->end_child($web);
unlike($t->read_file($log), qr/Traceback|\[crit\]|nrk_[0-9a-f]/,
       'no fault, and no key in the log');

done_testing;
