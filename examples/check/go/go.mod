// A module of its own: what is built here is broken on purpose.
module github.com/lamina-dev/lamina/examples/check/go

go 1.26

require github.com/aws/aws-lambda-go v1.55.1
