<?php
/* The reporting application as this identity provider knows it. */
$sp = getenv('SP_URL');
$metadata["$sp/saml_post"] = [
    'AssertionConsumerService' => [[
        'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
        'Location' => "$sp/saml_post",
        'index' => 1,
        'isDefault' => true,
    ]],
    'SingleLogoutService' => [[
        'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
        'Location' => "$sp/logout_redirect",
    ]],
    'certificate' => 'sp.pem',
    'validate.authnrequest' => true,
];
