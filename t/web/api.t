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

use JSON::PP;

my $t = Referral->new;
my $page = $t->read_file("$Referral::ROOT/docs/redis.md");
my ($reports) = $page =~ /^    user reports on >\S+ (.*)$/m;

ok($reports, 'the manual has the line of reports') or do { done_testing; exit };

$t->redis('ACL', 'SETUSER', 'reports', 'reset', 'on', '>secret',
          split ' ', $reports);
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
    rewards => 'read:rewards',
);

for my $name (sort keys %key) {
    $key{$name} = j('key', 'add', '--scope', $key{$name})->{key};
    like($key{$name}, qr/^nrk_[0-9a-f]{12}_[\w-]{43}$/, "a key for $name");
}

my $narrow = j(qw(key add --scope read:reports --program other --note one))
             ->{key};

is(scalar @{ j(qw(key list)) }, 4, 'they are listed');
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

my $web = $t->spawn(sub {
    open STDERR, '>', $log or die;
    open STDOUT, '>&', \*STDERR or die;
    $ENV{REFERRAL_REDIS} = "redis://reports\@127.0.0.1:$t->{redis_port}";
    $ENV{REFERRAL_PASSWORD_FILE} = "$t->{dir}/password";
    exec '/usr/bin/python3', '-B', "$Referral::ROOT/scripts/web",
         '--bind', "127.0.0.1:$port", '--workers', 1, '--threads', 4;
});

my $json = JSON::PP->new->canonical->allow_nonref;
my $base = '/api/v1';


# status, headers in one text, and the body

sub http {
    my ($method, $path, @headers) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Timeout => 5) or return;

    print $s join "\r\n", "$method $base$path HTTP/1.0", 'Host: x', @headers,
                  '', '';
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
    my $get = $api->{paths}{$path}{get};
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

is_deeply([ sort keys %called ], [ sort keys %{ $api->{paths} } ],
          'each operation was called');


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
    for qw(POST PUT DELETE OPTIONS);

is((http('HEAD', '/programs', "Authorization: Bearer $key{reports}"))[0], 200,
   'HEAD');


# --- Redis is away ---

is($t->read_file($log) =~ /\[error\]/, '', 'nothing went wrong');
$t->redis_stop;

for my $path ('/programs', '/programs/shop/stats') {
    my @answer = ask('reports', $path);
    my $told = problem_is(503, $path, @answer);

    like($answer[1], qr/^Retry-After: \d+\r?$/m, 'when to come again');
    unlike($told->{detail}, qr/127\.0\.0\.1|$t->{redis_port}/, 'no addresses');
}

is(() = $t->read_file($log) =~ /\[error\] requests are refused/g, 1,
   'one line of the log');

$t->redis_start;
is((http('GET', '/programs', 'Authorization: Bearer x'))[0], 401,
   'it is back');

$t->end_child($web);
unlike($t->read_file($log), qr/Traceback|\[crit\]|nrk_[0-9a-f]/,
       'no fault, and no key in the log');

done_testing;
