package lambda

import (
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

func (s *Service) registerProviders(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreateCapacityProvider, s.createProvider)
	awsproto.Handle(m, model.GetCapacityProvider, s.getProvider)
	awsproto.Handle(m, model.ListCapacityProviders, s.listProviders)
	awsproto.Handle(m, model.UpdateCapacityProvider, s.updateProvider)
	awsproto.Handle(m, model.DeleteCapacityProvider, s.deleteProvider)
	awsproto.Handle(m, model.ListFunctionVersionsByCapacityProvider, s.listProviderVersions)
	awsproto.Handle(m, model.PutFunctionScalingConfig, s.putScaling)
	awsproto.Handle(m, model.GetFunctionScalingConfig, s.getScaling)
}

func (s *Service) registerFunctions(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreateFunction, s.createFunction)
	awsproto.Handle(m, model.GetFunction, s.getFunction)
	awsproto.Handle(m, model.GetFunctionConfiguration, s.getConfiguration)
	awsproto.Handle(m, model.ListFunctions, s.listFunctions)
	awsproto.Handle(m, model.ListVersionsByFunction, s.listVersions)
	awsproto.Handle(m, model.UpdateFunctionCode, s.updateCode)
	awsproto.Handle(m, model.UpdateFunctionConfiguration, s.updateConfiguration)
	awsproto.Handle(m, model.DeleteFunction, s.deleteFunction)
	awsproto.Handle(m, model.PublishVersion, s.publishVersion)
}

func (s *Service) registerAliases(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreateAlias, s.createAlias)
	awsproto.Handle(m, model.GetAlias, s.getAlias)
	awsproto.Handle(m, model.ListAliases, s.listAliases)
	awsproto.Handle(m, model.UpdateAlias, s.updateAlias)
	awsproto.Handle(m, model.DeleteAlias, s.deleteAlias)
}

func (s *Service) registerPolicies(m *awsproto.Mux) {
	awsproto.Handle(m, model.AddPermission, s.addPermission)
	awsproto.Handle(m, model.RemovePermission, s.removePermission)
	awsproto.Handle(m, model.GetPolicy, s.getPolicy)
	awsproto.Handle(m, model.TagResource, s.tagResource)
	awsproto.Handle(m, model.UntagResource, s.untagResource)
	awsproto.Handle(m, model.ListTags, s.listTags)
}

func (s *Service) registerSettings(m *awsproto.Mux) {
	awsproto.Handle(m, model.GetAccountSettings, s.getAccountSettings)
	awsproto.Handle(m, model.PutFunctionConcurrency, s.putConcurrency)
	awsproto.Handle(m, model.GetFunctionConcurrency, s.getConcurrency)
	awsproto.Handle(m, model.DeleteFunctionConcurrency, s.deleteConcurrency)
	awsproto.Handle(m, model.GetFunctionCodeSigningConfig, s.getCodeSigning)
	awsproto.Handle(m, model.GetFunctionRecursionConfig, s.getRecursion)
	awsproto.Handle(m, model.PutFunctionRecursionConfig, s.putRecursion)
	awsproto.Handle(m, model.PutRuntimeManagementConfig, s.putRuntimeManagement)
	awsproto.Handle(m, model.GetRuntimeManagementConfig, s.getRuntimeManagement)
	awsproto.Handle(m, model.GetFunctionEventInvokeConfig, s.getEventInvoke)
	awsproto.Handle(m, model.ListFunctionEventInvokeConfigs, s.listEventInvoke)
	awsproto.Handle(m, model.GetFunctionUrlConfig, s.getURL)
	awsproto.Handle(m, model.ListFunctionUrlConfigs, s.listURLs)
	awsproto.Handle(m, model.GetProvisionedConcurrencyConfig, s.getProvisioned)
	awsproto.Handle(m, model.ListProvisionedConcurrencyConfigs, s.listProvisioned)
	awsproto.Handle(m, model.ListEventSourceMappings, s.listMappings)
}

func (s *Service) registerLayers(m *awsproto.Mux) {
	awsproto.Handle(m, model.PublishLayerVersion, s.publishLayer)
	awsproto.Handle(m, model.GetLayerVersion, s.getLayerVersion)
	awsproto.Handle(m, model.GetLayerVersionByArn, s.getLayerVersionByARN)
	awsproto.Handle(m, model.ListLayers, s.listLayers)
	awsproto.Handle(m, model.ListLayerVersions, s.listLayerVersions)
	awsproto.Handle(m, model.DeleteLayerVersion, s.deleteLayerVersion)
	awsproto.Handle(m, model.AddLayerVersionPermission, s.addLayerPermission)
	awsproto.Handle(m, model.RemoveLayerVersionPermission, s.removeLayerPermission)
	awsproto.Handle(m, model.GetLayerVersionPolicy, s.getLayerPolicy)
}
