resource "aws_lambda_capacity_provider" "main" {
  name = "${var.name}-capacity"

  vpc_config {
    subnet_ids         = aws_subnet.private[*].id
    security_group_ids = [aws_security_group.instances.id]
  }

  permissions_config {
    capacity_provider_operator_role_arn = aws_iam_role.operator.arn
  }

  instance_requirements {
    architectures = ["x86_64"]
  }

  depends_on = [aws_iam_role_policy_attachment.operator]
}

resource "aws_lambda_function" "hello" {
  function_name    = var.name
  role             = aws_iam_role.execution.arn
  runtime          = "python3.13"
  handler          = "hello.handler"
  memory_size      = 2048
  timeout          = 30
  filename         = data.archive_file.code.output_path
  source_code_hash = data.archive_file.code.output_base64sha256

  publish    = true
  publish_to = "LATEST_PUBLISHED"

  capacity_provider_config {
    lambda_managed_instances_capacity_provider_config {
      capacity_provider_arn = aws_lambda_capacity_provider.main.arn
    }
  }

  depends_on = [aws_iam_role_policy_attachment.execution, aws_vpc_endpoint.logs]
}
