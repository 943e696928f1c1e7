# A function on Lambda Managed Instances and all it needs.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.4"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "Region to create everything in."
  type        = string
  default     = "ap-northeast-1"
}

variable "name" {
  description = "Name of the function, and the first part of all other names."
  type        = string
  default     = "quickstart"
}

data "aws_availability_zones" "available" {
  state = "available"
}

data "archive_file" "code" {
  type        = "zip"
  source_dir  = "${path.module}/function"
  output_path = "${path.module}/build/function.zip"
}

output "function_name" {
  value = aws_lambda_function.hello.function_name
}

output "invoke" {
  value = "aws lambda invoke --region ${var.region} --function-name ${aws_lambda_function.hello.function_name} --cli-binary-format raw-in-base64-out --payload '{\"name\":\"Lamina\"}' /dev/stdout"
}
