package mlv1

import "strings"

// kind is how a field is written in JSON.
type kind int

const (
	text      kind = iota
	boolean        // true, or "True" as older clients send it
	int32Kind      // a number
	int64Kind      // a string of digits; a number is accepted
	double         // a number; a string is accepted
	duration       // "7200s"
	enum           // one of values
	object         // a message
	labels         // a map of strings
	output         // written by the service: whatever is sent is ignored
)

// field is one field of a message.
type field struct {
	name     string // camelCase
	kind     kind
	repeated bool
	values   []string // of an enum
	message  *message // of an object
}

// message is a type of the wire. Its fields are found by both spellings.
type message struct {
	name   string // as errors spell it: "TrainingInput"
	fields map[string]field
}

func newMessage(name string, fields ...field) *message {
	m := &message{name: name, fields: make(map[string]field, 2*len(fields))}
	for _, f := range fields {
		m.fields[f.name] = f
		m.fields[snake(f.name)] = f
	}
	return m
}

func one(k kind, names ...string) []field {
	fs := make([]field, len(names))
	for i, n := range names {
		fs[i] = field{name: n, kind: k}
	}
	return fs
}

func list(k kind, names ...string) []field {
	fs := one(k, names...)
	for i := range fs {
		fs[i].repeated = true
	}
	return fs
}

func choice(name string, values ...string) []field {
	return []field{{name: name, kind: enum, values: values}}
}

func sub(m *message, names ...string) []field {
	fs := one(object, names...)
	for i := range fs {
		fs[i].message = m
	}
	return fs
}

func join(groups ...[]field) []field {
	var all []field
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// The messages that a job is made of. A test holds them against Google's
// generated types. Scheduling's strategy and resilientToWorkerRestart are in
// gcloud's messages only; they are accepted and have no effect. env and
// noJobDirArg are ours.
var (
	acceleratorConfig = newMessage("AcceleratorConfig", join(
		one(int64Kind, "count"),
		choice("type", "ACCELERATOR_TYPE_UNSPECIFIED", "NVIDIA_TESLA_K80", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_A100",
			"TPU_V2", "TPU_V3", "TPU_V2_POD", "TPU_V3_POD", "TPU_V4_POD"))...)

	diskConfig = newMessage("DiskConfig", join(one(int32Kind, "bootDiskSizeGb"), one(text, "bootDiskType"))...)

	replicaConfig = newMessage("ReplicaConfig", join(
		sub(acceleratorConfig, "acceleratorConfig"), sub(diskConfig, "diskConfig"),
		list(text, "containerArgs", "containerCommand"),
		one(text, "imageUri", "tpuTfVersion"))...)

	scheduling = newMessage("Scheduling", join(
		one(duration, "maxRunningTime", "maxWaitTime"), one(int32Kind, "priority"), one(boolean, "resilientToWorkerRestart"),
		choice("strategy", "STRATEGY_UNSPECIFIED", "ON_DEMAND", "LOW_COST"))...)

	parameterSpec = newMessage("ParameterSpec", join(
		list(text, "categoricalValues"), list(double, "discreteValues"), one(double, "maxValue", "minValue"), one(text, "parameterName"),
		choice("scaleType", "NONE", "UNIT_LINEAR_SCALE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"),
		choice("type", "PARAMETER_TYPE_UNSPECIFIED", "DOUBLE", "INTEGER", "CATEGORICAL", "DISCRETE"))...)

	hyperparameterSpec = newMessage("HyperparameterSpec", join(
		choice("algorithm", "ALGORITHM_UNSPECIFIED", "GRID_SEARCH", "RANDOM_SEARCH"),
		choice("goal", "GOAL_TYPE_UNSPECIFIED", "MAXIMIZE", "MINIMIZE"),
		one(boolean, "enableTrialEarlyStopping"), one(text, "hyperparameterMetricTag", "resumePreviousJobId"),
		one(int32Kind, "maxFailedTrials", "maxParallelTrials", "maxTrials"),
		[]field{{name: "params", kind: object, message: parameterSpec, repeated: true}})...)

	trainingInput = newMessage("TrainingInput", join(
		list(text, "args", "packageUris"),
		one(boolean, "enableWebAccess", "useChiefInTfConfig", "noJobDirArg"),
		[]field{{name: "env", kind: object, message: variable, repeated: true}},
		sub(newMessage("EncryptionConfig", one(text, "kmsKeyName")...), "encryptionConfig"),
		sub(replicaConfig, "evaluatorConfig", "masterConfig", "parameterServerConfig", "workerConfig"),
		one(int64Kind, "evaluatorCount", "parameterServerCount", "workerCount"),
		one(text, "evaluatorType", "masterType", "parameterServerType", "workerType"),
		sub(hyperparameterSpec, "hyperparameters"), sub(scheduling, "scheduling"),
		one(text, "jobDir", "network", "pythonModule", "pythonVersion", "region", "runtimeVersion", "serviceAccount"),
		choice("scaleTier", "BASIC", "STANDARD_1", "PREMIUM_1", "BASIC_GPU", "BASIC_TPU", "CUSTOM"))...)

	dataFormats     = []string{"DATA_FORMAT_UNSPECIFIED", "JSON", "TEXT", "TF_RECORD", "TF_RECORD_GZIP", "CSV"}
	predictionInput = newMessage("PredictionInput", join(
		one(int64Kind, "batchSize", "maxWorkerCount"), choice("dataFormat", dataFormats...), choice("outputDataFormat", dataFormats...),
		list(text, "inputPaths"), one(text, "modelName", "outputPath", "region", "runtimeVersion", "signatureName", "uri", "versionName"))...)

	jobMessage = newMessage("Job", join(
		one(text, "jobId"), one(labels, "labels"), sub(trainingInput, "trainingInput"), sub(predictionInput, "predictionInput"),
		one(text, "etag"),
		one(output, "createTime", "startTime", "endTime", "state", "errorMessage", "jobPosition", "trainingOutput", "predictionOutput"))...)
)

// snake writes a camelCase name as paths in errors and TF_CONFIG have it.
func snake(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
