# protects: the keys that sign cookies, the password of Redis and the salt of
# addresses: they stand where they have to and in no log, no dump of the
# configuration, no other key, no journal, no list of processes

use strict;
use warnings;

use File::Find;
use FindBin;
use MIME::Base64;

use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

my $t = Referral->new;
my $dir = $t->dir;

# each looks like nothing else; keys are as "openssl rand" makes them

sub secret { unpack 'H*', Referral::random($_[0] // 32) }

my %secret = (
    'the key that signs' => secret(),
    'the key that signed' => 'KEY-' . secret(),
    'the password' => 'PW-' . secret(),
    'a wrong password' => 'WR-' . secret(),
);

my $keys = $t->write_file('keys', "# ours\n"
    . join("\n", @secret{'the key that signs', 'the key that signed'}) . "\n",
    0600);

$t->write_file('password', "$secret{'the password'}\n", 0600);
$t->write_file('wrong', "$secret{'a wrong password'}\n", 0600);

$t->redis('CONFIG', 'SET', 'rdbcompression', 'no');
$t->redis('CONFIG', 'SET', 'appendonly', 'yes');
$t->redis('ACL', 'SETUSER', 'referral', 'on', '~*', '&*', '+@all',
          ">$secret{'the password'}");

my $monitor = $t->spawn(sub {
    open STDOUT, '>', "$dir/monitor";
    exec 'redis-cli', '-s', $t->{redis_socket}, 'monitor';
});

ok(wait_for { -s "$dir/monitor" }, 'Redis is listened to');

$t->link('shop', 'one', referrer => 'aiko');

# every variable of the module is logged, and the answers are kept

my $all = join ' ', map { "\$referral_$_" } qw(program code click_id visitor
    channel variant referrer name segment country region city asn lang device
    os app class result landing);

sub parts {
    my ($password) = @_;

    return (
        workers => 2,
        http => <<"END",
            log_format all "\$request_uri \$sent_http_set_cookie $all";
            access_log %%DIR%%/access.log all;
            referral_redis %%REDIS%% timeout=500ms username=referral
                           password_file=%%DIR%%/$password;
            referral_key_file %%DIR%%/keys;
END
        server => <<'END',
            referral_program shop;
            referral_landing https://shop.example.com/;

            location /r/ {
                referral;
            }

            location = /who {
                referral_resolve on;
                try_files /none =404;
            }

            location = /metrics {
                referral_metrics;
            }
END
    );
}

my %text;

sub processes {
    for my $pid ($t->{master}, $t->workers) {
        $text{'the list of processes'}
            .= $t->read_file("/proc/$pid/cmdline")
               . $t->read_file("/proc/$pid/environ") . "\n";
    }
}


# the wrong one first: Redis says why it refuses

$t->config(parts('wrong'));
$t->start;

my $cookie;

for (1 .. 3) {
    my $r = $t->get('/r/one', cookie => $cookie);

    $text{'an answer'} .= $r->{head};
    $cookie = $r->cookie;
    $text{'an answer'} .= $t->get('/who', cookie => $cookie)->{head};
}

ok((wait_for { $t->log =~ /WRONGPASS/ }), 'Redis refuses a wrong password');
processes();

$t->reload(parts('password'));
ok((wait_for { $t->redis('KEYS', 'ref:salt:*')->[0] }), 'there is a salt');

for my $uri (('/r/one', '/who', '/r/nobody') x 2) {
    my $r = $t->get($uri, cookie => $cookie);

    $text{'an answer'} .= "$r->{head}\n$r->{body}";
}

$t->get('/who', cookie => $cookie . 'x');

ok((wait_for { ($t->hgetall('ref:stats:{shop}')->{raw} // 0) == 5 }),
   'all clicks are counted');

$text{'the page of metrics'} = $t->get('/metrics')->body;
processes();

# a reload with a mistake in the file of keys, and files where they do not
# belong

$text{'nginx -T'} = do {
    my @command = $t->nginx_command('nginx.conf', '-T');

    open my $out, '-|', join(' ', map { "'$_'" } @command) . ' 2>&1' or die;
    local $/;
    <$out>;
};

my $key = $secret{'the key that signs'};
my $short = substr $key, 0, 20;
my %mistakes = (
    'a key that is too short' => "referral_key_file $dir/short;",
    'keys for a list of bots' => "referral_bots $dir/keys;",
    'keys for a database' => "referral_geoip $dir/keys;",
    'keys for a journal' => "referral_journal $dir/keys;",
    'keys for a password' => "referral_redis 127.0.0.1:1 username=u
                              password_file=$dir/keys;",
    'keys that others can read' => "referral_key_file $dir/open;",
    'keys for a configuration' => "include $dir/keys;",
);

$t->write_file('short', "$short\n", 0600);
$t->write_file('open', "$key\n", 0644);

for my $what (sort keys %mistakes) {
    my $output = $t->nginx_t(http => $mistakes{$what},
                             server => 'location /r/ { referral shop; '
                             . 'referral_landing https://a.example.com/; }');

    like($output, qr/\[emerg\]/, "$what: nginx -t refuses")
        unless $what =~ /for a password/;

    # what nginx itself takes for directives it names

    next if $what =~ /configuration/;

    $text{'nginx -t'} .= $output;
    ok(index($output, $short) == -1, "$what: and does not say it")
        or diag($output);
}

# the command line: the password comes from a file, the environment, or in an
# address that it does not repeat

Referral::Cli->begin($t);
$t->redis('CONFIG', 'SET', 'requirepass', $secret{'the password'});

my $good = "127.0.0.1:$t->{redis_port}";
my ($password, $wrong) = @secret{'the password', 'a wrong password'};

my $seen = sub { $text{'the command line'} .= "$out$err" };

for my $args ([ '--redis', $good, '--password-file', "$dir/password" ],
              [ '--redis', "referral:$password\@$good" ])
{
    is(r(@$args, qw(program list)), 0, 'the command line: with the password');
    $seen->();
}

for my $args ([ '--redis', $good, '--password-file', "$dir/wrong" ],
              [ '--redis', "redis://:$wrong\@$good/0" ],
              [ '--redis', "redis://:$wrong\@127.0.0.1:1/0" ],
              [ '--redis', "redis://referral:$password\@$good/x" ],
              [ '--redis', "redis://referral:$password\@127.0.0.1:99999/0" ],
              [ '--redis', "http://referral:$password\@$good/0" ])
{
    isnt(r(@$args, qw(program list)), 0, 'the command line: what is wrong');
    isnt($err, '', 'and it says so');
    $seen->();
}


# --- where they stand ---

# no key is Redis's, and the salt stands in its own key and in no other

my $salts = {};

for my $name (@{ $t->redis('KEYS', 'ref:salt:*') }) {
    $salts->{$name} = $t->redis('GET', $name);
    $secret{"the salt of $name"} = $salts->{$name};
}

is_deeply([ grep { !/^[0-9a-f]{32,}$/ } values %$salts ], [], 'a salt is one');
$t->redis('DEL', keys %$salts);

$t->redis('SAVE');
$t->stop;
$t->end_child($monitor);
$t->redis_stop('TERM');

find({ no_chdir => 1, wanted => sub {
    my $what = /\.seg$/ ? 'the journal' : /\.rdb$/ ? 'Redis'
             : /\.aof$/ ? 'what Redis wrote'
             : /monitor$/ ? 'what Redis was told'
             : /redis\.log$/ ? "Redis's log"
             : /access\.log$/ ? 'the access log'
             : /(?:error|early|stderr)\.log$/ ? 'the log' : return;

    $text{$what} .= $t->read_file($_);
} }, $dir);

# the salt is Redis's own from here on

$text{'what Redis was told'} =~ s/^.*ref:salt:.*\n//mg;
$text{'what Redis wrote'} =~ s/^ref:salt:[\d-]+\r\n\$\d+\r\n[0-9a-f]+\r\n//mg;

my %there = (
    'the journal' => qr/shop\.example\.com/,
    'Redis' => qr/ref:stats:/,
    'what Redis wrote' => qr/ref:stats:/,
    'what Redis was told' => qr/ref:stats:/,
    "Redis's log" => qr/Ready to accept/,
    'the log' => qr/\[debug\].*referral/,
    'the access log' => qr{^/r/one ref_shop=}m,
    'an answer' => qr/Set-Cookie: ref_shop=/,
    'nginx -T' => qr/password_file=/,
    'nginx -t' => qr/\[emerg\]/,
    'the list of processes' => qr/worker process/,
    'the page of metrics' => qr/referral_hits_total/,
    'the command line' => qr/WRONGPASS|invalid username-password/i,
);

is_deeply([ sort keys %text ], [ sort keys %there ], 'all of it is here');

for my $where (sort keys %there) {
    my $text = $text{$where} // '';

    like($text, $there{$where}, "$where: holds what is no secret");

    for my $what (sort keys %secret) {
        my $s = $secret{$what};
        my $hex = $s =~ s/^[A-Z]+-//r;

        my @found = grep { index($text, $_) != -1 }
                    $hex, pack('H*', $hex), unpack('H*', $s),
                    substr(encode_base64($s, ''), 0, 40);

        is(scalar @found, 0, "$where: not $what")
            or diag(substr($text, index($text, $found[0]) - 200, 400)
                    =~ s/[^\x20-\x7e]/?/gr);
    }
}

done_testing;
