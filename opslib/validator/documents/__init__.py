"""Documents for the owner of the AWS account: IAM policies, Terraform, and the AWS side of the event feed."""
