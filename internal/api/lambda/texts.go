package lambda

// Texts of answers, with where each comes from: "S", "L", "U", "R", "D", "M"
// are the evidence grades of AWS's answers as collected for this project
// (recorded on AWS, emulator pinned by recordings, user's report, AWS's code,
// docs, API model); "known" is AWS's text from common experience; "chosen" is
// ours because nobody could confirm AWS's.
const (
	// Capacity providers.
	textProviderNotFound     = "Capacity provider not found: %s"                                                                                                               // S
	textProviderExists       = "Capacity provider already exists: %s"                                                                                                          // chosen
	textProviderLimit        = "The limit of %d capacity providers in this account and region has been reached."                                                               // chosen
	textProviderInUse        = "The capacity provider is currently in use by %d functions. To delete this capacity provider, first remove its association with %s."            // U
	textProviderState        = "The operation cannot be performed at this time. The capacity provider is currently in the following state: %s"                                 // chosen, after the functions' text
	textAutoPolicies         = "A scaling policy can't be specified when the scalingMode is set to Auto"                                                                       // U
	textManualPolicies       = "At least one scaling policy must be specified when the scalingMode is set to Manual"                                                           // chosen
	textTypeLists            = "AllowedInstanceTypes and ExcludedInstanceTypes can't be specified together"                                                                    // chosen
	textSubnetMissing        = "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '%s' does not exist"          // known
	textGroupMissing         = "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '%s' does not exist" // known
	textTwoVPCs              = "Security Groups are required to be in the same VPC as the subnets, and all subnets in one VPC."                                                // chosen
	textOperatorRole         = "The operator role defined for the capacity provider cannot be assumed by Lambda."                                                              // chosen, after the functions' text
	textCrossAccountRole     = "Cross-account pass role is not allowed."                                                                                                       // known
	textProviderVersionLimit = "The limit of %d function versions on capacity provider %s has been reached."                                                                   // chosen

	// Functions.
	textFunctionExists   = "Function already exist: %s"                                                                                                                                                                                                     // S
	textFunctionNotFound = "Function not found: %s"                                                                                                                                                                                                         // S
	textOtherRegion      = "Functions from '%s' are not reachable in this region ('%s')"                                                                                                                                                                    // S
	textQualifierDiffers = "The derived qualifier from the function name does not match the specified qualifier."                                                                                                                                           // S
	textNotAssumable     = "The role defined for the function cannot be assumed by Lambda."                                                                                                                                                                 // known
	textInProgress       = "The operation cannot be performed at this time. An update is in progress for resource: %s"                                                                                                                                      // S
	textWrongState       = "The operation cannot be performed at this time. The function is currently in the following state: %s"                                                                                                                           // L for Pending; chosen for Failed, Deactivating, Deactivated, Deleting
	textRevision         = "The Revision Id provided does not match the latest Revision Id. Call the %s API to retrieve the latest Revision Id"                                                                                                             // S
	textCodeSHA          = "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST."                                                                                                         // S
	textDeleteLatest     = "$LATEST version cannot be deleted without deleting the function."                                                                                                                                                               // L
	textDeleteAlias      = "Deletion of aliases is not currently supported."                                                                                                                                                                                // L
	textAliasReferences  = "Unable to delete version because the following aliases reference it: %s"                                                                                                                                                        // known
	textMandatory        = "Runtime and Handler are mandatory parameters for functions created with deployment packages."                                                                                                                                   // known
	textNoCode           = "Please provide a source for function code."                                                                                                                                                                                     // known
	textNameTooLong      = "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"                                                                                       // S
	textRuntimeEnum      = "Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN"                                                                                                                 // S, order of the list chosen
	textManagedRuntime   = "Runtime Enum %s does not support specified feature: Lambda Managed Instances"                                                                                                                                                   // L
	textManagedMemory    = "Lambda Managed Instance functions must have memory size greater than or equal to 2048"                                                                                                                                          // U
	textMemoryRatio      = "The memory size of %d MB must be a multiple of the %g GiB that the function has per vCPU, for 1 to %d vCPUs."                                                                                                                   // chosen
	textTextLogLevel     = `LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`                                                                                  // L
	textMaximum          = "1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d"                                                                                                  // known form
	textArchitecture     = "The architecture of the function (%s) must be that of its capacity provider (%s)."                                                                                                                                              // chosen
	textManagedVPC       = "VpcConfig isn't supported for functions configured with capacity provider."                                                                                                                                                     // chosen
	textManagedSnapStart = "SnapStart isn't supported for functions configured with capacity provider."                                                                                                                                                     // chosen
	textOrdinaryProvider = "CapacityProviderConfig isn't supported for Lambda Default functions."                                                                                                                                                           // L, U
	textOrdinaryTo       = "PublishTo isn't supported for Lambda Default functions."                                                                                                                                                                        // chosen, after the one above
	textEnvSize          = "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s"                                                                      // known
	textEnvReserved      = "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s" // known
	textLayerMissing     = "Layer version %s does not exist."                                                                                                                                                                                               // S
	textLayerVersionLow  = "Layer Version Cannot be less than 1"                                                                                                                                                                                            // known
	textLayerTwice       = "Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer."                                                                                      // known
	textLayerRegion      = "Layers are not in the same region as the function. Layers are expected to be in region %s."                                                                                                                                     // known
	textLayerDenied      = "User: %s is not authorized to perform: lambda:GetLayerVersion on resource: %s because no resource-based policy allows the lambda:GetLayerVersion action"                                                                        // known
	textLayersUnpacked   = "Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes."                                                                                                                  // known
	textLayerSource      = "Please provide a source for layer content."                                                                                                                                                                                     // chosen, after the functions' text
	textLayerRuntimes    = "1 validation error detected: Value '[%s]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [%s], Member must not be null]"                            // known form, order of the list chosen
	textLayersMany       = "Cannot reference more than 5 layers."                                                                                                                                                                                           // S
	textSigningMissing   = "The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s."                                                                                                                      // known
	textTooManyTags      = "Number of tags exceeds resource tag limit."                                                                                                                                                                                     // known
	textNotYet           = "%s is not supported by this server yet."                                                                                                                                                                                        // chosen

	// Code packages.
	textZippedSize = "Zipped size must be smaller than %d bytes"                                             // S
	textFromS3     = "Code from Amazon S3 is not supported by this server yet: send the package as ZipFile." // chosen

	// Container images.
	textImageInvalid   = "Source image %s is not valid. Provide a valid source image."                                                                   // known
	textImageMissing   = "Source image %s does not exist. Provide a valid source image."                                                                 // known
	textImageKind      = "The image manifest, config or layer media type for the source image %s is not supported."                                      // known
	textImageDenied    = "Lambda does not have permission to access the ECR image. Check the ECR permissions."                                           // known
	textImageUnreached = "Source image %s can't be fetched: %v. Say where images of its host come from with: lamina up --registry %s=REGISTRY or FOLDER" // chosen
	textImageBroken    = "Source image %s can't be fetched: %v."                                                                                         // chosen
	textImageHasZip    = "Please do not provide other FunctionCode parameters when providing a ZipFile."                                                 // known
	textImageWanted    = "Please provide ImageUri when %s a function with packageType Image."                                                            // known for updating
	textImageUnwanted  = "Please don't provide ImageUri when %s a function with packageType Zip."                                                        // known for updating
	textImageHandler   = "Please don't provide handler or runtime or layer when the intended function PackageType is Image."                             // known
	textImageConfigZip = "ImageConfig can be given only for functions with packageType Image."                                                           // chosen
	textNoImages       = "Container images are not supported by this server."                                                                            // chosen

	// Scaling.
	textScalingOrdinary = "The function provided by the arn does not contain a capacity provider configuration"                        // U
	textScalingOrder    = "MinExecutionEnvironments (%d) must be less than or equal to MaxExecutionEnvironments (%d)"                  // chosen
	textScalingZero     = "MinExecutionEnvironments can be 0 only when MaxExecutionEnvironments is 0, which deactivates the function." // chosen

	// Tags and policies.
	textReservedTag        = "Tag keys starting with 'aws:' are reserved for internal use"                                                                                                                     // chosen, after EC2's
	textPrincipal          = "The provided principal was invalid. Please check the principal and try again."                                                                                                   // known
	textRuntimeArnMissing  = "RuntimeVersionArn is required when UpdateRuntimeOn is Manual."                                                                                                                   // chosen
	textRuntimeArnUnwanted = "RuntimeVersionArn can be given only when UpdateRuntimeOn is Manual."                                                                                                             // chosen
	textTagsQualified      = "Tags on function aliases and versions are not supported. Please specify a function ARN."                                                                                         // known
	textResourceMissing    = "The resource you requested does not exist."                                                                                                                                      // S
	textNoPolicy           = "No policy is associated with the given resource."                                                                                                                                // S
	textStatementExists    = "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement."                                                             // S
	textStatementMissing   = "Statement %s is not found in resource policy."                                                                                                                                   // known
	textPolicyLatest       = "We currently do not support adding policies for $LATEST."                                                                                                                        // known
	textFunctionsOnly      = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN." // known
	textProvisionedLatest  = "The function resource provided must be an alias or a published version."                                                                                                         // known
	textNoEventInvoke      = "The function %s doesn't have an EventInvokeConfig"                                                                                                                               // S
	textNoProvisioned      = "No Provisioned Concurrency Config found for this function"                                                                                                                       // known
	textReservedTooMany    = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d]."                                          // known
	textMarker             = "The marker is not one that this operation gave."                                                                                                                                 // chosen
	textAliasExists        = "Alias already exists: %s"                                                                                                                                                        // S
	textAliasCannotFind    = "Cannot find alias arn: %s"                                                                                                                                                       // S
	textAliasNotFound      = "Alias not found: %s"                                                                                                                                                             // S
	textRoutingMany        = "Number of items in AdditionalVersionWeights cannot be greater than 1"                                                                                                            // known
	textRoutingSame        = "Invalid function version %s. Function version %s is already included in routing configuration."                                                                                  // known
	textRoutingLatest      = "$LATEST is not supported for an alias pointing to more than 1 version"                                                                                                           // known

	// Invoke.
	textNoPublished  = "The function can't be invoked because no published version exists. For functions with capacity provider configuration, either publish a version to $LATEST.PUBLISHED, or specify a published version qualifier." // L
	textInvokeLatest = "Functions configured with capacity provider configuration can't be invoked with $LATEST qualifier. To invoke this function, specify a published version qualifier or $LATEST.PUBLISHED."                         // L
	textTailManaged  = "Tail logs are not supported for functions configured with capacity provider"                                                                                                                                     // R, U; the U source ends it with a full stop
	textAsync        = "InvocationType Event is not supported by this server yet: asynchronous invocation comes later."                                                                                                                  // chosen
	textBadPayload   = "Could not parse request body into json: Could not parse payload into json: %s"                                                                                                                                   // known form, the parser's words are ours
	textBadContext   = "Client context must be a valid Base64-encoded JSON object."                                                                                                                                                      // chosen
	textLongContext  = "Client context must be no more than %d bytes when base64-encoded."                                                                                                                                               // chosen
	textTenant       = "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."                                                                                           // known
	textDurable      = "DurableExecutionName can be given only for durable functions, which this server does not support yet."                                                                                                           // chosen
)

// Codes that only this package gives.
const (
	codeProviderLimit     = "CapacityProviderLimitExceededException"
	codeVersionLimit      = "FunctionVersionsPerCapacityProviderLimitExceededException"
	codeSigningNotFound   = "CodeSigningConfigNotFoundException"
	codeProvisionedAbsent = "ProvisionedConcurrencyConfigNotFoundException"
	codeEntityTooLarge    = "RequestEntityTooLargeException" // S: 413, for uploads
)

// Limits. AWS's figures from its quota page unless marked.
const (
	maxNameLength       = 64
	minManagedMemory    = 2048  // MB
	maxOrdinaryMemory   = 10240 // MB
	maxOrdinaryTimeout  = 900   // s
	maxSyncTimeout      = 900   // s, for any synchronous call
	maxManagedVCPUs     = 16
	maxSlots            = 1600 // of one environment; M
	maxEnvironmentBytes = 4096
	maxLayers           = 5
	maxZipped           = 52_428_800 // bytes
	maxUnzipped         = 262_144_000
	maxCodeStorage      = 80_530_636_800 // bytes of one account and region
	maxTags             = 50
	maxClientContext    = 3583 // bytes of Base64; API reference of Invoke
	accountConcurrency  = 1000
	minUnreserved       = 100
	pageSize            = 50 // most items of one answer, whatever MaxItems says
)

// Defaults of functions.
const (
	defaultTimeout        = 3    // s
	defaultOrdinaryMemory = 128  // MB
	defaultManagedMemory  = 2048 // MB; L
	defaultTmp            = 512  // MB
	defaultRatio          = 2.0  // GiB per vCPU; L
)
