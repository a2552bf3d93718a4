"""The variables that point opslib and boto3 at a sandbox, each with its name in what the sandbox prints."""

VARIABLES = {
    "OPSLIB_API_URL": "api_url",
    "OPSLIB_LOGIN_URL": "login_url",
    "OPSLIB_CLIENT_ID": "client_id",
    "OPSLIB_CLIENT_SECRET": "client_secret",
    "OPSLIB_ORG_ID": "org_id",
    "OPSLIB_CATALOGUE_URL": "datalake_url",
    "OPSLIB_SANDBOX_BUCKET": "bucket",
    "OPSLIB_SANDBOX_ROLE_ARN": "role_arn",
    "OPSLIB_SANDBOX_EXTERNAL_ID": "external_id",
    "AWS_ENDPOINT_URL_S3": "s3_url",
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_DEFAULT_REGION": "region",
}
