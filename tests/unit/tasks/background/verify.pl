# A receiver's check by another language's standard library, as the specification of Standard Webhooks says:
# perl verify.pl SECRET ID TIMESTAMP SIGNATURES < body
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(decode_base64 encode_base64);

my ($secret, $id, $timestamp, $signatures) = @ARGV;
binmode STDIN;
my $body = do { local $/; <STDIN> };
$secret =~ s/^whsec_//;
my $wanted = encode_base64(hmac_sha256("$id.$timestamp.$body", decode_base64($secret)), '');
exit((grep { $_ eq "v1,$wanted" } split / /, $signatures) ? 0 : 1);
