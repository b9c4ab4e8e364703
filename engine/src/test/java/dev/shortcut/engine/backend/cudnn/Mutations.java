package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.COMPLAINT;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.CONTEXT;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.FAILURE;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.LEFT;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.MEMORY;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.REPORT;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.VALUES;
import static dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed.WORK;

import dev.shortcut.engine.backend.SlotShares;
import java.util.List;

/** The mistakes that {@link MutationTest} seeds. */
final class Mutations {
  /** All of them. */
  static final List<Mutation> ALL =
      List.of(
          // What is computed
          Mutation.of(
              "strides of rows and columns swapped",
              CudnnGraphs.class,
              "Tensor.channelsLast(dimensions),",
              "new long[] {Tensor.channelsLast(dimensions)[0], 1, dimensions[1],"
                  + " dimensions[1] * dimensions[2]},",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "a convolution's stride is 1",
              CudnnGraphs.class,
              "new long[] {kernel.stride(), kernel.stride()}",
              "new long[] {1, 1}",
              FAILURE),
          Mutation.of(
              "input and output of a convolution swapped",
              Lowering.class,
              """
                          tensors.put(CudnnGraphs.X, value(node.input()));
              """,
              """
                          tensors.put(CudnnGraphs.X, value(node));
              """,
              VALUES,
              COMPLAINT),
          Mutation.of(
              "filter and bias swapped in the variant pack",
              CudnnGraphs.class,
              "case BIAS -> pointwise(PointwiseMode.ADD, value, tensor(BIAS, 1, y.channels(), 1, 1), next);",
              "case BIAS -> pointwise(PointwiseMode.ADD, value, tensor(SHORTCUT, 1, y.channels(), 1, 1), next);",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "the shortcut is added behind the bias",
              Lowering.class,
              "stages.add(residualFirst ? 0 : 1, Stage.SHORTCUT);",
              "stages.add(residualFirst ? 1 : 0, Stage.SHORTCUT);",
              WORK),
          Mutation.of(
              "the shortcut is the unit's own input to the convolution",
              Lowering.class,
              "tensors.put(CudnnGraphs.SHORTCUT, value(node.inputs().getLast()));",
              "tensors.put(CudnnGraphs.SHORTCUT, value(node.inputs().getFirst()));",
              VALUES,
              COMPLAINT),
          Mutation.of(
              "biases are floats whatever the precision",
              Lowering.class,
              "CudnnGraphs.BIAS, entry.at(new Constants.PerChannel(arithmetic, layer.outChannels(), false)));",
              "CudnnGraphs.BIAS, entry.at(new Constants.PerChannel(Arithmetic.FP32, layer.outChannels(), false)));",
              VALUES),
          Mutation.of(
              "the ReLU of a convolution dropped",
              Lowering.class,
              "stages.add(Stage.RELU);",
              "stages.isEmpty();",
              VALUES),
          Mutation.of(
              "the ReLU of a linear layer dropped",
              Lowering.class,
              "matrix.depth(), relu && !residual);",
              "matrix.depth(), false);",
              VALUES),
          Mutation.of(
              "filters in the order in which they are stored",
              Constants.class,
              "long to = ((long) k * kernel * kernel + tap) * depth() + first + c;",
              "long to = ((long) k * depth() + first + c) * kernel * kernel + tap;",
              VALUES),
          Mutation.of(
              "batch norm not folded",
              Lowering.class,
              "(weights, matrix, vector) -> Folding.fold(node, weights, matrix, vector));",
              "(weights, matrix, _) -> weights.read(node.parameters().getFirst().name(), matrix));",
              VALUES),
          Mutation.of(
              "a linear layer's matrix in channel, row, column order",
              Constants.class,
              "long to = (long) output * depth() + (long) pixel * padded + c;",
              "long to = (long) output * depth() + (long) c * plane + pixel;",
              VALUES),
          Mutation.of(
                  "weights are cut off, not rounded",
                  Constants.class,
                  "            arithmetic.store(target, to, matrix.getAtIndex(ValueLayout.JAVA_FLOAT, from++));",
                  """
                              float value = matrix.getAtIndex(ValueLayout.JAVA_FLOAT, from++);
                              int kept = arithmetic == Arithmetic.FP16 ? 0xffffe000 : 0xffff0000;
                              arithmetic.store(
                                  target,
                                  to,
                                  arithmetic.bytes() == 4
                                      ? value
                                      : Float.intBitsToFloat(Float.floatToRawIntBits(value) & kept));
                  """,
                  VALUES)
              .times(2),
          Mutation.of(
              "max pooling pads with zeros",
              CudnnGraphs.class,
              "kernel.mean() ? PaddingMode.ZERO_PAD : PaddingMode.NEG_INF_PAD,",
              "PaddingMode.ZERO_PAD,",
              WORK,
              VALUES),
          Mutation.of(
              "average pooling leaves padding out",
              CudnnGraphs.class,
              "ResampleMode.AVGPOOL_INCLUDE_PADDING",
              "ResampleMode.AVGPOOL_EXCLUDE_PADDING",
              VALUES),
          Mutation.ofKernels(
              "channels that fill up are not written",
              """
              long long pixel = i / padded;
              float f = 0;
              if (c < channels && pixel < filled) {
                long long image\
              """,
              """
              long long pixel = i / padded;
              float f = 0;
              if (c >= channels) {
                return;
              }
              if (c < channels && pixel < filled) {
                long long image\
              """,
              VALUES),
          Mutation.ofKernels(
              "halves are cut off, not rounded",
              "cvt.rn.f16.f32",
              "cvt.rz.f16.f32",
              VALUES,
              FAILURE),
          Mutation.ofKernels(
              "bfloat16s are cut off, not rounded",
              "return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);",
              "return (unsigned short)(bits >> 16);",
              VALUES),
          Mutation.ofKernels(
              "option A puts the channels first",
              "int c = (int)(i % out_padded) - before;",
              "int c = (int)(i % out_padded);",
              VALUES),
          Mutation.ofKernels(
              "the results' kernel is off by one",
              """
              long long pixel = i % plane;
              long long row = i / plane;\
              """,
              """
              i++;
              long long pixel = i % plane;
              long long row = i / plane;\
              """,
              VALUES,
              FAILURE,
              COMPLAINT),
          Mutation.of(
              "mean and deviation swapped",
              Edges.class,
              "new Argument.At(mean), new Argument.At(std),",
              "new Argument.At(std), new Argument.At(mean),",
              VALUES),
          Mutation.ofBindings(
              "leading dimension and columns of a matrix swapped",
              "cublas/MatmulPlan.java",
              "functions.matrixLayoutCreate(out, matmul.type().code(), rows, columns, rows),",
              "functions.matrixLayoutCreate(out, matmul.type().code(), rows, columns, columns),",
              FAILURE,
              VALUES,
              COMPLAINT),

          // The convolution from before the graph API
          Mutation.ofBindings(
              "a residual has the factor 0",
              "cudnn/LegacyConvolutionPlan.java",
              "residualFactor = arena.allocateFrom(FLOAT, c.residual() ? 1 : 0);",
              "residualFactor = arena.allocateFrom(FLOAT, 0);",
              VALUES),
          Mutation.ofBindings(
              "what is not there is added",
              "cudnn/LegacyConvolutionPlan.java",
              "residualFactor = arena.allocateFrom(FLOAT, c.residual() ? 1 : 0);",
              "residualFactor = arena.allocateFrom(FLOAT, 1);",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.ofBindings(
              "the residual is the result's old content",
              "cudnn/LegacyConvolutionPlan.java",
              "residual ? z : y,",
              "y,",
              VALUES),
          Mutation.ofBindings(
              "the older convolution's math type is the default",
              "cudnn/LegacyConvolutionPlan.java",
              "c.tensorCores() ? CudnnConstants.TENSOR_OP_MATH : CudnnConstants.FMA_MATH",
              "CudnnConstants.TENSOR_OP_MATH",
              VALUES),
          Mutation.ofBindings(
              "the older convolution has one group",
              "cudnn/LegacyConvolutionPlan.java",
              "functions.setConvolutionGroupCount(made.get(), c.groups());",
              "",
              WORK),
          Mutation.ofBindings(
              "the older convolution's ReLU dropped",
              "cudnn/LegacyConvolutionPlan.java",
              "relu ? CudnnConstants.ACTIVATION_RELU : CudnnConstants.ACTIVATION_IDENTITY,",
              "CudnnConstants.ACTIVATION_IDENTITY,",
              VALUES),
          Mutation.ofBindings(
              "the older convolution's channels come first",
              "cudnn/LegacyConvolutionPlan.java",
              "made.get(), CudnnConstants.TENSOR_NHWC, type.code(), n, c, h, w);",
              "made.get(), 0, type.code(), n, c, h, w);",
              VALUES,
              FAILURE),
          Mutation.of(
              "the older convolution's bias is its filter",
              BoundProgram.class,
              "address(l.w(), device), address(l.bias(), device),",
              "address(l.w(), device), address(l.w(), device),",
              VALUES),
          Mutation.of(
              "the older convolution's biases are floats whatever the precision",
              Lowering.class,
              "entry.at(variant.filter()), entry.at(new Constants.PerChannel(arithmetic, layer.outChannels(), false)),",
              "entry.at(variant.filter()), entry.at(new Constants.PerChannel(Arithmetic.FP32, layer.outChannels(), false)),",
              VALUES),
          Mutation.of(
              "the older convolution has no scratch space of its own",
              Lowering.class,
              "scratch(node, offered.workspaceBytes()), offered.workspaceBytes()),",
              "value(node), offered.workspaceBytes()),",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "no bound for the older convolution's scratch space",
              LegacyConvolutions.class,
              "return bytes > Planner.WORKSPACE_LIMIT ?",
              "return bytes < 0 ?",
              MEMORY),
          Mutation.of(
              "the older convolution is taken unasked",
              Lowering.class,
              "case LegacyConvolutions.Offered offered when legacyAllowed -> {",
              "case LegacyConvolutions.Offered offered when legacyAllowed || batch > 0 -> {",
              REPORT),
          Mutation.of(
              "the older convolution may write over its residual",
              Lowering.class,
              "residual ? value(node.inputs().getLast()) : new Operand.None(), value(node),",
              "residual ? value(node.inputs().getLast()) : new Operand.None(), value(node.inputs().getLast()),",
              VALUES,
              COMPLAINT,
              FAILURE),

          // Which implementation is taken
          Mutation.of(
              "notes are not looked at",
              Planner.class,
              "if (unsuitable.isPresent()) {",
              "if (unsuitable.isPresent() && kernel.batch() < 0) {",
              VALUES),
          Mutation.of(
              "tensor cores for fp32",
              Planner.class,
              "return !kernel.arithmetic().tensorCores() && notes.contains(NumericalNote.TENSOR_CORE)",
              "return kernel.batch() < 0 && notes.contains(NumericalNote.TENSOR_CORE)",
              VALUES),
          Mutation.of(
              "the first candidate is taken blindly",
              Planner.class,
              "passedOver.add(\"cannot be made: \" + e.reason(), engine, e);",
              "throw e;",
              WORK,
              FAILURE),
          Mutation.of(
              "no bound for scratch space",
              Planner.class,
              "return workspaceBytes > WORKSPACE_LIMIT;",
              "return workspaceBytes < 0;",
              MEMORY,
              FAILURE),
          Mutation.of(
              "the slowest candidate is taken",
              Tuner.class,
              "if (micros[i] < micros[fastest]) {",
              "if (micros[i] > micros[fastest]) {",
              WORK),
          Mutation.of(
              "the first candidate is taken whatever was timed",
              Tuner.class,
              "ready.get(fastest).choose().with(remark);",
              "ready.getFirst().choose().with(remark);",
              WORK),
          Mutation.of(
              "a candidate's time is that of all before it, too",
              Tuner.class,
              "marks.get(i + 1).millisSince(marks.get(i))",
              "marks.get(i + 1).millisSince(marks.getFirst())",
              WORK),
          Mutation.of(
              "what was timed is timed again",
              Tuner.class,
              "kernels.removeIf(device.planner()::isTimed);",
              "kernels.removeIf(kernel -> kernel.batch() < 0);",
              WORK),
          Mutation.of(
              "a product that was timed is timed again",
              Tuner.class,
              "products.removeIf(device.products()::isTimed);",
              "products.removeIf(product -> product.rows() < 0);",
              WORK),
          Mutation.of(
              "what was timed is kept without its mark",
              Planner.class,
              "cache.store(entry(key(kernel), true, outcome));",
              "cache.store(entry(key(kernel), false, outcome));",
              WORK),
          Mutation.of(
              "what was not timed is kept with the mark",
              Planner.class,
              "plans.store(entry(key, false, found));",
              "plans.store(entry(key, true, found));",
              WORK),
          Mutation.of(
              "what was timed on another device counts as timed",
              Planner.class,
              "boolean stillTimed = entry.timed() && entry.key().equals(key);",
              "boolean stillTimed = entry.timed();",
              WORK),
          Mutation.of(
              "a refusal for want of a library is kept",
              Planner.class,
              "if (found instanceof Found ? others.allowsChoices() : others.allowsRefusals()) {",
              "if (kernel.batch() > 0) {",
              WORK),
          Mutation.of(
              "a kept suggestion is not compared with cuBLASLt's",
              Products.class,
              ".filter(known -> isSuggested(product, known))",
              ".filter(known -> known.rank() >= 0 || isSuggested(product, known))",
              FAILURE,
              COMPLAINT),
          Mutation.of(
              "equal devices choose for themselves",
              CudnnModel.class,
              "properties.compared(), _ -> new DeviceKind(libraries, properties, plans));",
              "Map.of(\"\", System.nanoTime()), _ -> new DeviceKind(libraries, properties, plans));",
              WORK),
          Mutation.of(
              "a plan for the handle is not of the engine that was chosen",
              Planner.class,
              "EngineConfig.of(cudnn, owner, graph, chosen.engine(), chosen.knobs(), null);",
              "EngineConfig.of(cudnn, owner, graph, chosen.engine() + 1, chosen.knobs(), null);",
              WORK),
          Mutation.of(
              "a plan for the handle does not keep the settings",
              Planner.class,
              "EngineConfig.of(cudnn, owner, graph, chosen.engine(), chosen.knobs(), null);",
              "EngineConfig.of(cudnn, owner, graph, chosen.engine(), List.of(), null);",
              WORK),
          Mutation.of(
              "a plan for the handle may want scratch space that there is not",
              Planner.class,
              "if (isTooMuch(plan.workspaceBytes()) || plan.workspaceBytes() > mostWorkspace) {",
              "if (isTooMuch(plan.workspaceBytes())) {",
              MEMORY),
          Mutation.of(
              "the notes of a plan for the handle are not looked at",
              Planner.class,
              "if (unsuitable(kernel, config.numericalNotes()).isEmpty()) {",
              "if (kernel.batch() > 0) {",
              WORK),

          // Memory
          Mutation.of(
              "scratch space is too small",
              Lowering.class,
              "temporary(node.name() + \" scratch\", size, liveness.step(node))",
              "temporary(node.name() + \" scratch\", size / 2, liveness.step(node))",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "scratch space is given back early",
              Lowering.class,
              "temporary(node.name() + \" scratch\", size, liveness.step(node))",
              "temporary(node.name() + \" scratch\", size, Math.max(0, liveness.step(node) - 1))",
              VALUES,
              COMPLAINT),
          Mutation.of(
                  "a convolution may write over its input",
                  Lowering.class,
                  "ownPlace[liveness.step(node)] = true;",
                  "ownPlace[liveness.step(node)] = false;",
                  VALUES,
                  COMPLAINT)
              .times(3),
          Mutation.of(
              "buffers are not aligned as promised",
              Lowering.class,
              "MemoryPlanner.plan(buffers(), Constants.ALIGNMENT)",
              "MemoryPlanner.plan(buffers(), 8)",
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "a stricter alignment is promised than kept",
              CudnnGraphs.class,
              "TENSOR_ALIGNMENT = 16;",
              "TENSOR_ALIGNMENT = 4096;",
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "two slots share an arena",
              CudnnSlot.class,
              """
                  DeviceMemory arena = owner.own(device.context().allocate(sizes.arenaBytes()));
              """,
              """
                  DeviceMemory arena =
                      (DeviceMemory)
                          System.getProperties()
                              .computeIfAbsent(
                                  device,
                                  _ -> owner.own(device.context().allocate(sizes.arenaBytes())));
              """,
              MEMORY,
              VALUES),
          Mutation.of(
              "weights are freed before they are used",
              CudnnDevice.class,
              "stream.synchronize(); } catch",
              "stream.synchronize(); block.close(); } catch",
              FAILURE,
              COMPLAINT),
          Mutation.of(
              "weights are not counted",
              CudnnModel.class,
              "shares.stream().mapToLong(share -> share.device().constants().bytes()).sum(),",
              "0,",
              MEMORY),

          // Order
          Mutation.of(
              "compute does not wait for the upload",
              CudnnSlot.class,
              "    compute.waitFor(uploaded);\n",
              "",
              VALUES),
          Mutation.of(
              "the upload's event is recorded before the upload",
              CudnnSlot.class,
              """
                  transfers.copyToDevice(program.handedOver(), inputStaging, bytes);
                  transfers.record(uploaded);
              """,
              """
                  transfers.record(uploaded);
                  transfers.copyToDevice(program.handedOver(), inputStaging, bytes);
              """,
              VALUES),
          Mutation.of(
              "the download does not wait for the results",
              CudnnSlot.class,
              "    transfers.waitFor(computed);\n",
              "",
              VALUES),
          Mutation.of(
              "the host does not wait for the download",
              CudnnSlot.class,
              "    downloaded.synchronize();\n",
              "",
              VALUES),
          Mutation.of(
              "the download's event is recorded before the download",
              CudnnSlot.class,
              """
                  transfers.copyToHost(outputStaging, program.handedBack(), bytes);
                  transfers.record(downloaded);
              """,
              """
                  transfers.record(downloaded);
                  transfers.copyToHost(outputStaging, program.handedBack(), bytes);
              """,
              VALUES),
          Mutation.of(
              "the upload of the weights is not waited for",
              CudnnDevice.class,
              "      stream.synchronize();\n",
              "",
              VALUES,
              FAILURE,
              COMPLAINT),

          // Contexts, handles, captures
          Mutation.of(
              "a slot's thread has no context",
              CudnnSlot.class,
              "    device.context().push();\n",
              "",
              FAILURE),
          Mutation.of(
              "two slots share a handle",
              CudnnSlot.class,
              "CudnnHandle handle = owner.own(device.cudnn().newHandle());",
              "CudnnHandle handle = (CudnnHandle) System.getProperties().computeIfAbsent(device, _ -> owner.own(device.cudnn().newHandle()));",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "the handle has no stream",
              CudnnSlot.class,
              "    handle.setStream(slot.compute);\n",
              "",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "captured before the first run",
              CudnnSlot.class,
              "      slot.warmUp(program);\n",
              "      program.attempt(\"nothing\");\n",
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "a slot launches another slot's graph",
              CudnnSlot.class,
              "return owner.own(device.capture(compute, program::enqueueSteps));",
              "return (GraphExec) System.getProperties().computeIfAbsent(List.of(device, program.batch()), _ -> owner.own(device.capture(compute, program::enqueueSteps)));",
              VALUES),
          Mutation.of(
              "the graph of another batch size is launched",
              CudnnSlot.class,
              "compute.launch(bySize[images].graph());",
              "compute.launch(bySize[1].graph());",
              VALUES),
          Mutation.of(
              "a capture is not ended when it fails",
              CudnnDevice.class,
              "stream.endCapture().close();",
              "stream.done();",
              COMPLAINT,
              LEFT,
              REPORT),
          Mutation.of(
              "kernels are launched one by one instead of the graph",
              CudnnSlot.class,
              "compute.launch(bySize[images].graph());",
              "program.enqueueSteps(compute);",
              WORK),

          // Batches of embedders
          Mutation.of(
              "an embedder's batch does not wait for the one before",
              CudnnExecution.class,
              "stream.waitFor(done);",
              "",
              VALUES),
          Mutation.of(
                  "the end of an embedder's batch is not marked",
                  CudnnExecution.class,
                  "stream.record(done);",
                  "",
                  VALUES,
                  COMPLAINT,
                  FAILURE)
              .times(2),
          Mutation.of(
              "the context is not popped",
              CudnnExecution.class,
              "} finally { device.context().pop(); } } catch (CudaException | CudnnException",
              "} finally { program.attempt(\"leaving\"); } } catch (CudaException | CudnnException",
              CONTEXT),
          Mutation.of(
              "the context is popped on another thread",
              CudnnExecution.class,
              "} finally { device.context().pop(); } } catch (CudaException | CudnnException",
              "} finally { PlatformThread.call(\"pop\", () -> { device.context().pop(); return 0; }); } } catch (CudaException | CudnnException",
              CONTEXT,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "the graph is launched into the caller's capture",
              CudnnExecution.class,
              "handle.setStream(stream); // A graph cannot be launched into a capture. program.enqueue(stream, input, pixels, output);",
              "run(input, output);",
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "cuDNN's kernels are not captured",
              CudnnExecution.class,
              "handle.setStream(stream); // A graph cannot",
              "// A graph cannot",
              VALUES,
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "captured graphs are not counted",
              CudnnExecution.class,
              "captures.add(stream);",
              "",
              REPORT),
          Mutation.of(
              "an execution is freed while it runs",
              CudnnExecution.class,
              "if (ran) { done.synchronize(); }",
              "",
              COMPLAINT,
              FAILURE),

          // Failures and the end
          Mutation.of(
              "what a failed step was for is not said",
              BoundProgram.class,
              "attempted = program.steps().get(step).purpose();",
              "attempted = \"a kernel\";",
              REPORT),
          Mutation.of(
              "a layer is not waited for before the next",
              CudnnSlot.class,
              """
                          program.enqueue(compute, step);
                          compute.synchronize();
              """,
              """
                          program.enqueue(compute, step);
              """,
              REPORT),
          Mutation.of(
              "a lost device is forgotten",
              Health.class,
              "lost.compareAndSet(null, cause);",
              "lost.compareAndSet(cause, cause);",
              REPORT,
              FAILURE),
          Mutation.of(
              "what is left of a lost device is freed",
              CudnnModel.class,
              "if (device != null && device.health().isLost()) {",
              "if (device != null && device.health() == null) {",
              REPORT,
              FAILURE),
          Mutation.ofBindings(
              "closed oldest first",
              "library/Closer.java",
              "first = closeOne(owned.pop(), first);",
              "first = closeOne(owned.removeLast(), first);",
              COMPLAINT,
              FAILURE),
          Mutation.of(
              "arenas are not freed",
              CudnnSlot.class,
              "DeviceMemory arena = owner.own(device.context().allocate(sizes.arenaBytes()));",
              "DeviceMemory arena = device.context().allocate(sizes.arenaBytes());",
              LEFT,
              COMPLAINT),
          Mutation.of(
              "all slots are on the first device",
              SlotShares.class,
              "counts.add(Math.ceilDiv(all - device, devices));",
              "counts.add(device == 0 ? all : 0);",
              MEMORY,
              FAILURE));

  private Mutations() {}
}
