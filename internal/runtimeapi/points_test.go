package runtimeapi

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// points are those of the checklist "a conformant multi-concurrent Runtime API
// server must …" (runtime-api.md 6), each with the tests that show it: in this
// package, or in another one's folder.
var points = [...][]string{
	1:  {"TestPoint01_ManyParkedPolls"},
	2:  {"TestPoint02_FirstPollEndsInit", "TestExtensionsGateInit", "TestExternalExtensions"},
	3:  {"TestPoint03_CapHoldsWhenClientsPollEarly"},
	4:  {"TestPoint04_TimedOutKeepsItsSlot"},
	5:  {"TestPoint05_DeadPollIsNeverFed", "TestPoint05_OnlyDeadPolls"},
	6:  {"TestPoint06_HalfWrittenEventIsRedelivered"},
	7:  {"TestPoint07_BridgesTheGap", "TestPoint07_BridgeIsBounded"},
	8:  {"TestPoint08_FirstInFirstOut"},
	9:  {"TestPoint09_DuplicateRequestID"},
	10: {"TestPoint10_EventHeaders", "FuzzHeaders"},
	11: {"TestPoint11_InvocationIDGuard", "../../test/e2e.TestNoAnswerIsAnothers"},
	12: {"TestPoint12_13_AnswersAndDuplicates"},
	13: {"TestPoint12_13_AnswersAndDuplicates", "../../test/e2e.TestNoAnswerIsAnothers"},
	14: {"TestPoint14_15_LateAnswers"},
	15: {"TestPoint14_15_LateAnswers", "TestPoint15_GoHandlerSurvivesALateAnswer"},
	16: {"TestPoint16_ResponseMode"},
	17: {"TestPoint17_ResponseLimit", "TestPoint17_ErrorLimit"},
	18: {"TestPoint18_TruncatedBody"},
	19: {"TestPoint19_StalledBodyIsBoundedByTheDeadline", "TestPoint19_LateHalfOfABody"},
	20: {"TestPoint20_ErrorTrailers", "TestPoint20_ChunksAreForwardedAtOnce", "TestPoint20_StreamedErrorTrailers", "TestPoint20_LongErrorTrailers"},
	21: {"TestPoint21_ErrorTypes", "FuzzErrorType"},
	22: {"TestPoint22_Timeout", "../agent.TestBusyAndTimeout"},
	23: {"TestPoint23_RuntimeExit", "../agent.TestRuntimeExit", "TestExtensionCrash"},
	24: {"TestPoint24_InitError"},
	25: {"../agent.TestPoint25_InitLimit", "../agent.TestPoint25_HungInit"},
	26: {"../agent.TestSIGTERM", "../agent.TestExtensions", "TestShutdownWaitsForTheExtensionToAsk"},
	27: {"TestPoint27_CloseReleasesPolls", "TestExtensionsGateInit"},
	28: {"../runtimes.TestEnvironmentOfManagedInstances", "../agent.TestExtensions"},
	29: {"TestExtensionRefusals", "TestExtensionLimit", "TestExtensionsGateInit", "TestExtensionErrors"},
	30: {"TestPoint30_Telemetry", "TestPoint30_SlowSubscriber", "TestTelemetryRefusals", "../agent.TestExtensions"},
	31: {"../agent.TestPoint31_WorkerLogSocket", "../runtimes/python.TestLongLinesOfWorkersDoNotMix", "../runtimes/python.TestDeathInTheMiddleOfALine"},
	32: {"TestPoint32_Paths"},
	33: {"TestPoint33_OddClients", "FuzzStream"},
	34: {"TestPoint34_GoHandler", "TestPoint34_GoHandlerOverlapsAndFails", "../runtimes/python.TestSlotsOverlapInProcessesOfTheirOwn", "../runtimes/nodejs.TestSlotsOverlapInThreads", "../runtimes/nodejs.TestPoint34_OfficialClient"},
}

// TestEveryPointHasItsTests: none of them may go unnoticed.
func TestEveryPointHasItsTests(t *testing.T) {
	if len(points) != 35 {
		t.Errorf("%d points, there are 34", len(points)-1)
	}
	known := map[string]map[string]bool{}
	for n, tests := range points {
		if n > 0 && len(tests) == 0 {
			t.Errorf("point %d has no test", n)
		}
		for _, test := range tests {
			dir, name := ".", test
			if i := strings.LastIndex(test, "."); i >= 0 {
				dir, name = test[:i], test[i+1:]
			}
			if known[dir] == nil {
				known[dir] = testsIn(t, dir)
			}
			if !known[dir][name] {
				t.Errorf("point %d: there is no %s in %s", n, name, dir)
			}
		}
	}
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(\w+ \*testing\.[TF]\)`)

func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunction.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}
