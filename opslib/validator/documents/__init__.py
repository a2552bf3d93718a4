"""Documents for whoever owns the AWS account: IAM policies, Terraform, and the AWS side of the event feed."""
