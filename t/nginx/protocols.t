# protects: a click over HTTP/2 and HTTP/3 is the click that it is over
# HTTP/1.1: one answer, one cookie, one count; many on one connection wait for
# Redis together, and one whose visitor went away is none

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $MANY = 20;

my $t = Referral->new;

my ($version, $built) = binary();

my @protocols = (
    { name => 'HTTP/2', says => 2, option => '--http2',
      with => 'http_v2_module', feature => 'HTTP2',
      listen => $version < 1.025 ? 'ssl http2' : 'ssl',
      lines => $version < 1.025 ? '' : 'http2 on;' },
    { name => 'HTTP/3', says => 3, option => '--http3-only',
      with => 'http_v3_module', feature => 'HTTP3',
      listen => 'quic', lines => '' },
);

my ($features) = `curl --version` =~ /^Features: (.*)/m;

for my $p (@protocols) {
    $p->{lacks} = $built !~ /--with-$p->{with}\b/ ? 'nginx'
                : $features !~ /\b$p->{feature}\b/ ? 'curl'
                : undef;

    $p->{port} = $t->free_port;
    ($p->{program} = lc $p->{name}) =~ s/\W//;
}

system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
       . " -addext subjectAltName=DNS:localhost -keyout $t->{dir}/tls.key"
       . " -out $t->{dir}/tls.crt 2>> $t->{dir}/openssl.log") == 0
    or die "openssl failed";

$t->config(servers => join '', map { server($_) } grep { !$_->{lacks} }
                                                       @protocols);
$t->start;

for my $p (@protocols) {
    subtest $p->{name} => sub {
        plan skip_all => "$p->{lacks} has none here" if $p->{lacks};
        over($p);
    };
}

done_testing;


sub over {
    my ($p) = @_;

    my $program = $p->{program};
    my %count;

    $t->link($program, $_) for 'aiko7', 'ben2', 'slow', 'gone';


    # a link that nobody asked for before: the stream waits for Redis

    my ($first) = click($p, ['/r/aiko7']);

    is($first->{version}, $p->{says}, "it is $p->{name}");
    is($first->{status}, 302, 'a click');
    like($first->{location}, qr{^https://shop\.example\.com/\?ref=aiko7
                                &click_id=[0-9a-f-]{36}$}x, 'its landing');
    like($first->{cookie}, qr/;\ Secure(?:;|$)/i, 'a cookie for TLS alone');

    my ($ref) = $first->{cookie} =~ /^(ref_$program=[^;]+)/;


    # browsers send each cookie in a field of its own

    my @cookies = ('a=1', $ref, 'b=2');

    my ($second) = click($p, ['/r/ben2'], cookies => \@cookies);

    ($ref) = $second->{cookie} =~ /^(ref_$program=[^;]+)/;
    @cookies = ('a=1', $ref, 'b=2');

    my ($page) = click($p, ['/who'], cookies => \@cookies);

    is($page->{body}, "ben2 " . id($second), 'another page knows the visitor');

    $count{clicks} = 2;
    $count{visitors} = 1;


    # many on one connection, while Redis does not answer

    $t->redis_pause;

    my $waiting = start($p, [map { "/r/slow?$program-$_" } 1 .. $MANY]);

    ok(wait_for { waiting("/r/slow?$program-$MANY") }, 'many streams wait');

    $t->redis_continue;

    my @many = finish($waiting);
    my %seen = map { id($_) => 1 } @many;

    is(scalar grep({ $_->{status} == 302 } @many), $MANY, 'all are answered');
    is(scalar keys %seen, $MANY, 'each for itself');
    is(scalar(grep { $_->{connects} } @many), 1, 'on one connection');

    $count{clicks} += $MANY;
    $count{visitors} += $MANY;


    # a visitor who does not wait

    $t->redis_pause;

    click($p, ["/r/gone?$program"], time => 1);

    ok(waiting("/r/gone?$program"), 'one waited');
    ok(wait_for { left("/r/gone?$program") }, 'and left');

    $t->redis_continue;

    my ($after) = click($p, ['/r/aiko7']);

    is($after->{status}, 302, 'the next one is served');

    $count{clicks}++;
    $count{visitors}++;
    $count{raw} = $count{clicks};

    $t->stats_are($program, \%count, 'each is counted once');
    $t->fields_are("ref:stats:{$program}:slow", { clicks => $MANY },
                   'those that waited, too');
}


sub server {
    my ($p) = @_;

    return <<"END";
    server {
        listen 127.0.0.1:$p->{port} $p->{listen};
        $p->{lines}
        ssl_certificate %%DIR%%/tls.crt;
        ssl_certificate_key %%DIR%%/tls.key;
        ssl_protocols TLSv1.2 TLSv1.3;

        referral_program $p->{program};

        location /r/ {
            referral;
            referral_landing "https://shop.example.com/";
        }

        location /who {
            return 200 "\$referral_code \$referral_click_id";
        }
    }
END
}


# the nginx under test: its version as a number, what it was built with

sub binary {
    my $said = `$t->{binary} -V 2>&1`;
    my ($major, $minor) = $said =~ m{nginx/(\d+)\.(\d+)} or die $said;

    return ($major + $minor / 1000, $said);
}


sub id {
    my ($answer) = @_;

    return ($answer->{location} // '') =~ /click_id=([0-9a-f-]{36})/ ? $1 : '';
}


# it is set aside until Redis answers

sub waiting {
    my ($uri) = @_;

    return $t->log =~ /http finalize request: -4, "\Q$uri\E"/;
}


sub left {
    my ($uri) = @_;

    return $t->read_file('access.log')
           =~ m{"GET \Q$uri\E HTTP/[\d.]+" (?:499|000) };
}


sub start {
    my ($p, $uris, %o) = @_;

    my @command = (qw(curl -sk --no-progress-meter -Z --parallel-max),
                   scalar @$uris, $p->{option}, '--max-time', $o{time} // 20,
                   '-A', 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0)'
                         . ' Gecko/20100101 Firefox/132.0');

    push @command, map { ('-H', "Cookie: $_") } @{ $o{cookies} // [] };

    my $n = 0;

    for my $uri (@$uris) {
        push @command, '-o', "$t->{dir}/body." . $n++,
             "https://localhost:$p->{port}$uri";
    }

    push @command, '--resolve', "localhost:$p->{port}:127.0.0.1", '-w',
         '%{filename_effective}\t%{http_version}\t%{http_code}'
         . '\t%{num_connects}\t%header{location}\t%header{set-cookie}\n';

    unlink glob "$t->{dir}/body.*";

    my $pid = open(my $out, '-|', @command) || die "curl: $!";

    return { pid => $pid, out => $out };
}


sub finish {
    my ($running) = @_;

    my $out = $running->{out};
    my @answers;

    while (<$out>) {
        chomp;

        my ($file, @rest) = split /\t/;
        my %answer = (body => $t->read_file($file));

        @answer{qw(version status connects location cookie)} = @rest;
        push @answers, \%answer;
    }

    close $out;

    return @answers;
}


sub click {
    my ($p, $uris, %o) = @_;

    return finish(start($p, $uris, %o));
}
