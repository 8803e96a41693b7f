# The private identity provider signs people in with their roles, and is not ours to trust blindly:
# what it says is signed with SHA-256.
use strict;
use warnings;
use lib 't/lib';
use MIME::Base64 'decode_base64';
use Test::More;
use Smarter::Test;

need('idp');

my $form = idp_answer('school', start => undef);
is($form->{action}, url('/saml_post'), 'the answer goes to our assertion consumer');
my $xml = decode_base64($form->{SAMLResponse});
like($xml, qr/\Q|PII||||||nc|NC|||D001|First District|||S0001|First School|\E/, 'it names the role and where it holds');
like($xml, qr/rsa-sha256/, 'signed with SHA-256');
unlike($xml, qr/rsa-sha1/, 'and not with SHA-1');

$xml = decode_base64(idp_answer('district', start => undef)->{SAMLResponse});
like($xml, qr/Dana O'Brien &amp; Sön &lt;x&gt;|Dana O&#39;Brien &amp; Sön &lt;x&gt;/, 'names with special characters arrive');

$xml = decode_base64(idp_answer('norole', start => undef)->{SAMLResponse});
unlike($xml, qr/memberOf/, 'somebody without a role has no memberOf');

my @kinds = map { (split /:/)[2] } split / /, env('SMARTER_USERS');
is_deeply([grep { my $k = $_; !grep { $_ eq $k } @kinds } qw(state district school norole otherstate super multi)],
    [], 'all kinds of sign-ins are there');

my $metadata = slurp(env('SMARTER_VAR') . '/etc/idp_metadata.xml');
like($metadata, qr/KeyDescriptor use="signing"/, 'its metadata has a signing key');

finish();
