// What `kubectl explain` says of Kubernetes' own types and fields: our words, for what people look up most.

const types: Readonly<Record<string, string>> = {
  ObjectMeta: "What every stored object has: its names, labels, owners and history.",
  ListMeta: "What a list tells of itself: the moment it shows, and where to read on.",
  LabelSelector: "Selects objects by their labels; every requirement must hold.",
  Pod: "Containers that run together on one node and share a network address.",
  PodSpec: "What a pod is to run, and how.",
  PodStatus: "What is known of a pod as it runs.",
  PodTemplateSpec: "The pod that a controller makes copies of.",
  Container: "One container of a pod.",
  ContainerPort: "A port that a container listens on.",
  EnvVar: "One environment variable of a container.",
  Probe: "A check that the kubelet makes of a container.",
  ResourceRequirements:
    "How much of the node's resources a container asks for, and may use at most.",
  Volume: "A folder that containers of the pod can mount.",
  VolumeMount: "Where a container sees a volume.",
  Node: "A machine that pods run on.",
  NodeSpec: "What is set for a node.",
  NodeStatus: "What the node's kubelet reports.",
  Namespace: "A room for names: objects of different namespaces may have the same name.",
  Service: "An address, and ports, behind which a set of pods answers.",
  ServiceSpec: "Which pods a service leads to, and by which addresses and ports.",
  ServicePort: "A port of a service.",
  ConfigMap: "Settings that pods read, as keys and values.",
  Secret: "Confidential settings that pods read, as keys and values of base64.",
  ServiceAccount: "An identity for the processes of pods.",
  Endpoints: "Addresses behind a service. EndpointSlices have replaced it.",
  Event: "Something that happened to an object, told by one of the cluster's components.",
  Deployment:
    "Keeps a number of equal pods and replaces them step by step when their template changes.",
  DeploymentSpec: "Which pods, how many, and how they are replaced.",
  ReplicaSet: "Keeps a number of equal pods.",
  DaemonSet: "Keeps one pod on every node that its template fits.",
  StatefulSet: "Keeps pods that have names and storage of their own, in order.",
  ControllerRevision: "A past template of a DaemonSet or StatefulSet.",
  Job: "Runs pods until enough of them have succeeded.",
  CronJob: "Makes a Job at times that a schedule tells.",
  NetworkPolicy: "Which connections pods may have.",
  NetworkPolicySpec: "The pods that a policy is about, and what they may do.",
  EndpointSlice: "A part of the addresses behind a service.",
  Lease: "A claim that has to be renewed: heartbeats of nodes, elections of leaders.",
  Scale: "How many replicas an object asks for and has.",
  CustomResourceDefinition: "A kind of object that this server learns to serve.",
  ValidatingWebhookConfiguration:
    "Servers that are asked before an object is stored, and may refuse it.",
  SubjectAccessReview: "Asks whether somebody may do something.",
  SelfSubjectAccessReview: "Asks whether the one who asks may do something.",
  SelfSubjectRulesReview: "Asks what the one who asks may do in a namespace.",
  SelfSubjectReview: "Asks who the one who asks is.",
};

/** The same in every type that has them. */
const common: Readonly<Record<string, string>> = {
  apiVersion: "Group and version of the schema that this object is written by.",
  kind: "The name of the kind of this object, in CamelCase.",
  metadata: "Standard metadata of the object.",
  spec: "What is wanted.",
  status: "What is the case. Written by the system.",
  conditions: "What can be said of the object's state, one entry a type.",
};

const fields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ObjectMeta: {
    annotations: "Free notes: text by name. No selector reads them.",
    creationTimestamp: "When the server stored the object first.",
    deletionGracePeriodSeconds: "Seconds that the object is given to end by itself.",
    deletionTimestamp:
      "When the object will be gone; set by the server once it is asked to delete it.",
    finalizers: "Who must let go of the object before it is deleted.",
    generateName: "Start of a name that the server completes, where name is not given.",
    generation: "Counts the changes of what is wanted.",
    labels: "Names and values that objects are selected by.",
    managedFields: "Which manager has set which fields.",
    name: "The object's name, unique in its namespace among its kind.",
    namespace: "The namespace that the name is unique in.",
    ownerReferences: "Objects that this one belongs to: it is deleted when all of them are.",
    resourceVersion: "The state of the object that this is, to be compared for equality only.",
    uid: "Tells this object from all that have had or will have its name.",
  },
  PodSpec: {
    activeDeadlineSeconds: "Seconds after which the pod is ended.",
    affinity: "Where the scheduler may and should put the pod.",
    automountServiceAccountToken: "Whether the service account's token is mounted.",
    containers: "The pod's containers: at least one. None can be added or removed later.",
    dnsPolicy: "Where the pod's names are resolved.",
    hostAliases: "Lines for the pod's hosts file.",
    hostNetwork: "Use the node's network instead of one of the pod's own.",
    hostname: "The pod's host name; its own name if not given.",
    initContainers: "Containers that run one after the other before all others.",
    nodeName: "The node that the pod runs on; set by the scheduler.",
    nodeSelector: "Labels that the node must have.",
    priorityClassName: "The class that the pod's priority comes from.",
    restartPolicy: "When containers that end are started again: Always, OnFailure or Never.",
    schedulerName: "Who chooses the node.",
    serviceAccountName: "The service account that the pod runs as.",
    terminationGracePeriodSeconds: "Seconds between being asked to end and being killed.",
    tolerations: "Taints of nodes that the pod puts up with.",
    volumes: "Volumes that the containers can mount.",
  },
  PodStatus: {
    containerStatuses: "The state of each container.",
    hostIP: "The node's address.",
    phase: "Pending, Running, Succeeded, Failed or Unknown.",
    podIP: "The pod's address.",
    podIPs: "The pod's addresses, at most one of each family.",
    qosClass: "How the pod fares when its node runs out of resources.",
    reason: "A word for why the pod is in this state.",
    startTime: "When the kubelet took the pod.",
  },
  Container: {
    args: "Arguments of the command; the image's own if not given.",
    command: "The program to run; the image's own if not given.",
    env: "Environment variables.",
    envFrom: "ConfigMaps and Secrets whose keys become environment variables.",
    image: "The image's name.",
    imagePullPolicy: "When the image is pulled: Always, Never or IfNotPresent.",
    lifecycle: "What is run after the container starts and before it ends.",
    livenessProbe: "The container is started anew when this check fails.",
    name: "The container's name, unique in the pod.",
    ports: "Ports that the container listens on, for those who read it.",
    readinessProbe: "The pod gets no traffic of services while this check fails.",
    resources: "Resources that the container asks for, and may use at most.",
    securityContext: "Rights of the container's processes.",
    startupProbe: "The other checks wait for this one.",
    volumeMounts: "Where the container sees volumes.",
    workingDir: "The folder that the command is run in.",
  },
  ContainerPort: {
    containerPort: "The port's number in the pod: 1 to 65535.",
    hostIP: "The node's address that hostPort is opened on.",
    hostPort: "A port of the node that leads to this one.",
    name: "A name that services can call the port by.",
    protocol: "TCP, UDP or SCTP; TCP if not given.",
  },
  ServiceSpec: {
    allocateLoadBalancerNodePorts: "Whether a load balancer's service has node ports.",
    clusterIP: 'The service\'s address in the cluster; "None" for a service without.',
    clusterIPs: "The service's addresses in the cluster, one a family.",
    externalIPs: "Addresses outside the cluster that nodes take traffic for.",
    externalName: "The DNS name that a service of type ExternalName stands for.",
    externalTrafficPolicy:
      "Cluster: any pod answers traffic from outside; Local: pods of the node it came to.",
    healthCheckNodePort: "Where load balancers ask a node for pods of its own.",
    internalTrafficPolicy: "Cluster or Local, for traffic from inside the cluster.",
    ipFamilies: "IPv4, IPv6, or both.",
    ipFamilyPolicy: "SingleStack, PreferDualStack or RequireDualStack.",
    loadBalancerClass: "Which load balancer is to serve it.",
    loadBalancerIP: "The load balancer's address that is wished for.",
    loadBalancerSourceRanges: "Who may reach the load balancer's address.",
    ports: "The service's ports.",
    publishNotReadyAddresses: "Whether pods that are not ready are published too.",
    selector: "Labels of the pods that the service leads to.",
    sessionAffinity: "ClientIP: a client stays with one pod. None: it does not.",
    type: "ClusterIP, NodePort, LoadBalancer or ExternalName.",
  },
  ServicePort: {
    appProtocol: "What is spoken on the port.",
    name: "The port's name; needed where there are several.",
    nodePort: "The port of every node that leads to the service.",
    port: "The port of the service.",
    protocol: "TCP, UDP or SCTP; TCP if not given.",
    targetPort: "The pods' port: a number, or the name of one.",
  },
  DeploymentSpec: {
    minReadySeconds: "Seconds that a pod must be ready before it counts as available.",
    paused: "Whether changes of the template wait.",
    progressDeadlineSeconds: "Seconds without progress after which a rollout counts as failed.",
    replicas: "How many pods there are to be; 1 if not given.",
    revisionHistoryLimit: "How many old ReplicaSets are kept to go back to.",
    selector: "Labels of the pods that belong to the deployment. It cannot be changed.",
    strategy: "How old pods are replaced by new ones.",
    template: "The pods that are made.",
  },
  ReplicaSetSpec: {
    minReadySeconds: "Seconds that a pod must be ready before it counts as available.",
    replicas: "How many pods there are to be; 1 if not given.",
    selector: "Labels of the pods that belong to the set. It cannot be changed.",
    template: "The pods that are made.",
  },
  NetworkPolicySpec: {
    egress: "Connections that the pods may open.",
    ingress: "Connections that the pods may be reached by.",
    podSelector: "The pods that the policy is about; an empty one selects all of the namespace.",
    policyTypes: "Ingress, Egress or both: what the policy is about.",
  },
  ConfigMap: {
    binaryData: "Values that are no text, in base64.",
    data: "Values by key.",
    immutable: "Whether the values may no longer change.",
  },
  Secret: {
    data: "Values by key, in base64.",
    immutable: "Whether the values may no longer change.",
    stringData: "Values as plain text, for writing: they end up in data.",
    type: "What the secret is for, which tells what keys it must have.",
  },
  NodeSpec: {
    podCIDR: "The range that the node's pods have addresses of.",
    podCIDRs: "The ranges that the node's pods have addresses of, at most one of each family.",
    providerID: "The machine's name at its provider.",
    taints: "What keeps pods away that do not tolerate it.",
    unschedulable: "Whether no new pods are put here.",
  },
};

/** A sentence for a type; "" for those that nobody has described. */
export function describeType(type: string): string {
  return own(types, type) ?? "";
}

/** A sentence for a field, or undefined. */
export function describeField(type: string, field: string): string | undefined {
  const described = own(fields, type);
  return (described && own(described, field)) ?? own(common, field);
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
