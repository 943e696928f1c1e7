// Package awsproto speaks AWS's wire protocols from generated tables: it finds
// the operation a request means, decodes it into a generated struct, checks the
// model's constraints, calls a typed handler and encodes its answer or error.
//
// A handler is registered by the generated descriptor of its operation, so that
// its types cannot be wrong:
//
//	mux := awsproto.NewMux(awsproto.Config{Authenticate: verifier.Authenticate})
//	awsproto.Handle(mux, lambda.GetFunction,
//		func(ctx context.Context, in *lambda.GetFunctionRequest) (*lambda.GetFunctionResponse, error) {
//			if *in.FunctionName != "known" {
//				return nil, lamina.Errorf(lamina.CodeResourceNotFound, "Function not found: %s", *in.FunctionName)
//			}
//			return &lambda.GetFunctionResponse{Configuration: &lambda.FunctionConfiguration{FunctionName: in.FunctionName}}, nil
//		})
//
// Members the model requires are never nil in a handler. An operation without
// output returns (*awsproto.Empty)(nil). Enum values have string constants:
//
//	out.State = new(lambda.StatePending)
package awsproto
