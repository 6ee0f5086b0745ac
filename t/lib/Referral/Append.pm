package Referral::Append;

# The command that appends events, against the Redis of a test.
#
#   my $a = Referral::Append->new($t);
#   my $reply = $a->apply({}, { type => 'lead', event_id => 'e1', … });
#
# Options: full, program, journal, expected, patience (two times in ms: what
# was received between them waits for its click), and those of the tool's "conf".
# A reply is the script's array, or the text of an error.  Without "expected"
# it is the mark that the last reply of that journal left.

use strict;
use warnings;

use IPC::Open2;

use Referral;
use Referral::Redis;
use Sources qw(sources includes);

my @CONF = qw(prefix window late attribution seed);


sub new {
    my ($class, $t) = @_;

    my $self = bless { t => $t, tool => "$t->{dir}/append_tool",
                       socket => $t->{redis_socket}, marks => {} }, $class;

    $self->build unless -x $self->{tool};

    return $self;
}


sub build {
    my ($self) = @_;

    my $dir = $self->{t}{dir};
    my $cc = $ENV{CC} // 'gcc';

    for my $script (map { "$Referral::ROOT/$_" } sources('referral_*.lua')) {
        my ($name) = $script =~ m{([^/]+)\.lua$};

        system("$Referral::ROOT/auto/embed ${name}_lua $script"
               . " > $dir/${name}_lua.h") == 0 or die 'embed failed';
    }

    my $includes = join ' ', map { "-I$Referral::ROOT/$_" }
                             map { s/^-I//r } includes();
    my $sources = join ' ', map { "$Referral::ROOT/$_" }
                            map { sources("referral_$_.c") }
        qw(append batch batch_command batch_table code command digest event keys
           hash id name result str time unit visitor bots automaton lang
           record url);

    system("$cc -std=gnu11 -O1 -g -Wall -D_FILE_OFFSET_BITS=64 $includes"
           . " -I$dir -I$Referral::ROOT/build/nginx/objs -o $self->{tool}"
           . " $Referral::ROOT/t/unit/append_tool.c $sources -lcrypto") == 0
        or die 'the tool does not compile';
}


# another connection, and another tool, for a process of its own

sub fresh {
    my ($self) = @_;

    delete @$self{qw(redis in out pid)};

    return $self;
}


sub redis { $_[0]{redis} //= Referral::Redis->new($_[0]{socket}) }


sub command {
    my ($self, $o, @events) = @_;

    my $seq = $o->{expected};
    my @conf = map { "$_=$o->{$_}" } grep { defined $o->{$_} } @CONF;

    if (!$self->{pid} || $self->{conf} ne "@conf") {
        close $self->{in} if $self->{in};
        $self->{pid} = open2($self->{out}, $self->{in}, $self->{tool});
        $self->{conf} = "@conf";
        print {$self->{in}} join("\t", 'conf', @conf), "\n";
    }

    print {$self->{in}} join("\t", 'begin', $o->{program} // 'shop',
                             $o->{journal} // 'a1' x 16, $seq), "\n";

    print {$self->{in}} join("\t", 'patience', @{ $o->{patience} }), "\n"
        if $o->{patience};

    for my $event (@events) {
        my %e = (seq => ++$seq, program => $o->{program} // 'shop', %$event);

        print {$self->{in}} join("\t", 'event', map { "$_=$e{$_}" }
                                                sort keys %e), "\n";
    }

    print {$self->{in}} "command\t", $o->{full} ? 1 : 0, "\n";
    $self->{in}->flush;

    my $length = readline $self->{out};
    my $bytes = '';

    die "the tool failed\n" unless defined $length;
    read($self->{out}, $bytes, $length) == $length or die "tool: $!";

    return $bytes;
}


sub send {
    my ($self, $bytes) = @_;

    my $reply = eval { $self->redis->send($bytes); $self->redis->reply };

    return $reply unless $@;

    my $error = $@;

    die $error unless $error =~ s/^redis: //;
    chomp $error;

    return $error;
}


sub apply {
    my ($self, $o, @events) = @_;

    my %o = %$o;
    my $journal = $o{journal} //= 'a1' x 16;

    $o{expected} //= $self->{marks}{$journal} // 0;

    my $reply = $self->send($self->command(\%o, @events));

    if (!ref $reply && $reply =~ /^NOSCRIPT/) {
        $o{full} = 1;
        $reply = $self->send($self->command(\%o, @events));
    }

    if (ref $reply) {
        $self->{marks}{$journal} = $reply->[0] == 2 ? $reply->[2]
                                 : $reply->[0] ? $o{expected} + @events
                                 : $reply->[1] < 0 ? 0 : $reply->[1];
    }

    return $reply;
}


# the entries of the stream, each a hash with the number as "N"

sub entries {
    my ($self, $program) = @_;

    return map { +{ N => $_->[0] =~ s/-0$//r, @{ $_->[1] } } }
           @{ $self->{t}->redis('XRANGE', "ref:conversions:{"
                                . ($program // 'shop') . '}', '-', '+') };
}


1;
