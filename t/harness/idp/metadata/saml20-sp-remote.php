<?php
/* The reporting application and the pickup zone as this identity provider knows them. */
foreach ([getenv('SP_URL'), getenv('PICKUP_URL')] as $sp) {
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
}
