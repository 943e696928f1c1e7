package iam

import "github.com/lamina-dev/lamina/internal/awsproto"

// registerPolicies and registerProfiles: the iam helper writes policies,
// attachments and instance profiles here.
func (s *Service) registerPolicies(m *awsproto.Mux) {}
func (s *Service) registerProfiles(m *awsproto.Mux) {}
