# A broken configuration is found before anything is stopped, an edited one survives, and a server
# that runs keeps running.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Smarter::Test;

# What runs by the clock may read the ini in the moment when it is one that must be refused.
allow_log(qr/ended with status 1; starting it again/);

need('httpd', 'postgres');

sub ctl {
    my $r = Smarter::Test::run({ timeout => 300 }, top() . '/smarterctl', @_);
    return ($r->{exit}, $r->{out} . $r->{err});
}

my $ini = env('SMARTER_INI');
my $good = slurp($ini);
my $httpd = server_pid('httpd');

# Written in place: owner and mode stay.
spew($ini, $good =~ s/^(edware\.db\.nc\.pool_size.*\n)?(edware\.db\.nc\.state_code)/edware.db.nc.pool_size = many\n$2/mr);
my ($code, $out) = ctl('restart', 'httpd');
isnt($code, 0, 'restart with a broken ini refuses');
like($out, qr/pool_size/, 'naming the key');
like($out, qr/many/, 'and the value');
is(server_pid('httpd'), $httpd, 'and httpd runs on');
is(get('/services/ready')->{status}, 200, 'and answers');

($code, $out) = ctl('up');
isnt($code, 0, 'up says so too');

spew($ini, "# a remark of the operator\n$good");
($code, $out) = ctl('restart', 'httpd');
is($code, 0, 'an edited, sound ini is taken') or diag $out;
isnt(server_pid('httpd'), $httpd, 'by a new server');
is(get('/services/ready')->{status}, 200, 'which answers');
like(slurp($ini), qr/a remark of the operator/, 'and the edit stays');

# As smarter tenant add writes it.
my $both = $good =~ s/^((?:edware\.db|migrate_source\.db|migrate_dest\.db|prod_db_conn|tenant)\.nc\..*)$/$1\n@{[second($1)]}/mgr;
sub second { return $_[0] =~ s{\.nc\.}{.zz.}r =~ s{(=\s*)prod_nc$}{$1t_config}r =~ s{(=\s*)NC$}{$1ZZ}r }
sql('DROP SCHEMA IF EXISTS t_config CASCADE');
spew($ini, $both);
($code, $out) = ctl('up');
is($code, 0, 'with a second state the stack starts') or diag $out;
is(sql_one('SELECT count(*) FROM t_config.data_version'), 1, 'whose schema is kept up to date as the first one\'s');
sql('DROP SCHEMA IF EXISTS t_config CASCADE');

spew($ini, $good);
($code, $out) = ctl('restart', 'httpd');
is($code, 0, 'and back again') or diag $out;

finish();
